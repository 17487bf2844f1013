"""The trees of a fitted estimator, read by treelite, in one form for all libraries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batchscore.model.flavors.base import library_of, need

if TYPE_CHECKING:
    import numpy as np

EXTRA = "accelerate"
_FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_BOOSTED = ("GradientBoostingClassifier", "GradientBoostingRegressor")
_HISTOGRAMS = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_LINKS = ("identity", "identity_multiclass", "sigmoid", "softmax", "exponential")
#: treelite's codes of comparisons, and of node types.
_LESS, _LESS_OR_EQUAL = 2, 3
_LEAF, _NUMBER = 0, 1


class NotCompiledError(Exception):
    """Why an estimator cannot be compiled, or would not give the same scores. It is scored by its own library."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One tree, an array per attribute with a value per node; node 0 is the root.

    Attributes:
        feature: position of the feature that the node compares; -1 for a leaf.
        threshold: float64.
        left, right: numbers of the nodes that follow; ``value <= threshold`` (or ``<``) goes left.
        missing_left: whether NaN goes left.
        value: of a leaf, float64.
        output: which of the ensemble's sums it adds to.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    output: int


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Trees whose values are added up, and what becomes of the sums.

    Attributes:
        features: number of columns of the input.
        base: what each sum starts with, one per output.
        averaged: whether each sum is divided by its number of trees.
        link: ``identity``, ``sigmoid``, ``softmax`` or ``exponential``.
        slope: of the sigmoid.
        less: whether only a value below the threshold goes left, not an equal one.
        rounds: whether the library itself rounds its input to float32.
        single: whether it adds up in float32.
        zero: size up to which it takes a number for 0.
    """

    trees: tuple[Tree, ...]
    features: int
    base: tuple[float, ...]
    averaged: bool
    link: str
    slope: float
    less: bool
    rounds: bool
    single: bool
    zero: float


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reads the trees of a library's estimators, whose arithmetic `rounds`, `single` and `zero` say; see `Ensemble`."""

    read: Callable[[Any], Any]
    rounds: bool = False
    single: bool = False
    zero: float = 0.0


def read_ensemble(estimator: object) -> Ensemble:
    """The trees of an estimator of scikit-learn, XGBoost or LightGBM.

    Raises:
        NotCompiledError: it has none, or predicts in a way that is not covered.
        ModelError: treelite is not installed.
    """
    kind = type(estimator)
    reader = _READERS.get((library_of(kind), kind.__name__))
    if reader is None:
        raise NotCompiledError(f"{kind.__module__}.{kind.__name__} is no ensemble of trees that can be compiled")
    treelite = need("treelite", "compiling a model", EXTRA)
    try:
        model = reader.read(estimator)
    except (NotImplementedError, AssertionError, treelite.TreeliteError) as error:
        raise NotCompiledError(f"treelite cannot read {kind.__name__}: {error}") from error
    return _ensemble(model, reader)


def _scikit_learn(estimator: Any) -> Any:
    fitted = getattr(estimator, "estimators_", None)
    if fitted is not None and len(fitted) != estimator.n_estimators:  # treelite would read beyond the last one
        estimator = copy.copy(estimator)
        estimator.n_estimators = len(fitted)  # of early stopping
    if getattr(estimator, "_preprocessor", None) is not None:
        raise NotCompiledError("it encodes categories")
    return need("treelite.sklearn", "compiling a model", EXTRA).import_model(estimator)


def _xgboost(estimator: Any) -> Any:
    import math

    missing = estimator.missing
    if not (isinstance(missing, float) and math.isnan(missing)):
        raise NotCompiledError(f"missing={missing!r}: only NaN can mean a missing value")
    if estimator.get_params().get("booster") not in (None, "gbtree"):
        raise NotCompiledError(f"booster={estimator.get_params()['booster']!r}: only gbtree can be compiled")
    booster = estimator.get_booster()
    if booster.feature_types and "c" in booster.feature_types:
        raise NotCompiledError("it splits on categories")
    best = getattr(estimator, "best_iteration", None)  # of early stopping
    return need("treelite.frontend", "compiling a model", EXTRA).from_xgboost(
        booster if best is None else booster[: best + 1]
    )


def _lightgbm(estimator: Any) -> Any:
    own = hasattr(estimator, "booster_")  # otherwise it is what this package's flavour loads
    booster, parameters = (
        (estimator.booster_, estimator.get_params()) if own else (estimator.booster, estimator.parameters)
    )
    stops = [name for name in parameters if name.startswith("pred")]
    if stops:
        raise NotCompiledError(f"{', '.join(stops)} changes how it predicts")
    text = booster.model_to_string()
    for setting, what in (
        ("is_linear=1", "its leaves are linear models"),
        ("[zero_as_missing: 1]", "zero means a missing value"),
    ):
        if setting in text:
            raise NotCompiledError(what)
    best = getattr(estimator, "best_iteration_", None)
    if best:
        booster = need("lightgbm", "a compiled model", "lightgbm").Booster(
            model_str=booster.model_to_string(num_iteration=best)
        )
    return need("treelite.frontend", "compiling a model", EXTRA).from_lightgbm(booster)


#: LightGBM leaves such numbers out of the rows that it predicts for.
_LIGHTGBM_ZERO = 1.0000000180025095e-35
_SCIKIT_LEARN = _Reader(read=_scikit_learn, rounds=True)
_SCIKIT_LEARN_HISTOGRAMS = _Reader(read=_scikit_learn)
_XGBOOST = _Reader(read=_xgboost, rounds=True, single=True)
_LIGHTGBM = _Reader(read=_lightgbm, zero=_LIGHTGBM_ZERO)
#: By library and class.
_READERS = {
    **{("sklearn", name): _SCIKIT_LEARN for name in (*_FORESTS, *_BOOSTED)},
    **{("sklearn", name): _SCIKIT_LEARN_HISTOGRAMS for name in _HISTOGRAMS},
    **{("xgboost", name): _XGBOOST for name in ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")},
    **{
        (library, name): _LIGHTGBM
        for library in ("lightgbm", "airflow_batchscore")  # the latter is what this package's flavour loads
        for name in ("LGBMClassifier", "LGBMRegressor")
    },
}


def _ensemble(model: Any, reader: _Reader) -> Ensemble:
    header = model.get_header_accessor()
    link = str(header.get_field("postprocessor"))
    classes = [int(number) for number in header.get_field("num_class")]
    if link not in _LINKS or len(classes) != 1:
        raise NotCompiledError(f"{len(classes)} targets, {link}: what becomes of its trees' sums is not covered")
    outputs = max(classes[0], 1)
    base = [float(value) for value in header.get_field("base_scores")]
    halves = link == "identity_multiclass"
    if halves and outputs != 2:
        raise NotCompiledError(f"a forest of {outputs} classes: each class would walk through all trees")
    numbers = header.get_field("class_id")
    kinds: set[int] = set()
    trees = []
    for place in range(model.num_tree):
        tree, comparisons = _tree(model.get_tree_accessor(place), 0 if halves else int(numbers[place]), halves=halves)
        trees.append(tree)
        kinds |= comparisons
    if not trees or len(kinds) > 1:
        raise NotCompiledError("it has no trees, or compares in several ways")
    return Ensemble(
        trees=tuple(trees),
        features=int(header.get_field("num_feature")[0]),
        base=(0.0,) if halves else tuple(base),
        averaged=bool(header.get_field("average_tree_output")[0]),
        link="identity" if halves else link,
        slope=float(header.get_field("sigmoid_alpha")[0]) if link == "sigmoid" else 1.0,
        less=kinds == {_LESS},
        rounds=reader.rounds,
        single=reader.single,
        zero=reader.zero,
    )


def _tree(accessor: Any, output: int, *, halves: bool) -> tuple[Tree, set[int]]:
    import numpy as np

    kinds = accessor.get_field("node_type")
    leaves = kinds == _LEAF
    if not np.isin(kinds, (_LEAF, _NUMBER)).all():
        raise NotCompiledError("it splits on categories")
    comparisons = {int(code) for code in np.unique(accessor.get_field("cmp")[~leaves])}
    if not comparisons <= {_LESS, _LESS_OR_EQUAL}:
        raise NotCompiledError("it compares in a way that is not covered")
    value = accessor.get_field("leaf_value").astype(np.float64)
    if halves:  # the share of the second class; the first one has the rest
        value = np.zeros(len(kinds))
        value[leaves] = accessor.get_field("leaf_vector")[_last(accessor, leaves)]
    tree = Tree(
        feature=np.where(leaves, -1, accessor.get_field("split_index")),
        threshold=np.where(leaves, 0.0, accessor.get_field("threshold").astype(np.float64)),
        left=np.where(leaves, -1, accessor.get_field("cleft")),
        right=np.where(leaves, -1, accessor.get_field("cright")),
        missing_left=accessor.get_field("default_left").astype(bool),
        value=np.where(leaves, value, 0.0),
        output=output,
    )
    return tree, comparisons


def _last(accessor: Any, leaves: np.ndarray) -> Sequence[int]:
    ends: Sequence[int] = accessor.get_field("leaf_vector_end")[leaves] - 1
    return ends
