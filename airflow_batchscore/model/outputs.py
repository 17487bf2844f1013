"""The results of an estimator's methods as named columns, and which of them a run writes under which names."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.columns import columns_of
from airflow_batchscore.model.user_code import result_of

if TYPE_CHECKING:
    import numpy as np

Method = Literal["predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples"]
METHODS: tuple[str, ...] = get_args(Method)

_FLAG = re.compile(r"\s*(.+?)\s*(>=|<=|>|<)\s*([-+0-9.eE]+)\s*")
_COMPARE: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class Column(NamedTuple):
    """An output column: the method that returns it, its name among that method's columns, and its Arrow type."""

    method: str
    name: str
    type: str


class Flag(NamedTuple):
    """A Boolean column: whether another column exceeds a limit."""

    column: str
    compare: str
    limit: float


@dataclass(frozen=True)
class OutputSpec:
    """The requested outputs of a model: which methods are called, and which results are written.

    Attributes:
        methods: called in turn on the same features.
        keep: (column, output name) of the columns to keep; None keeps all under their own names.
        flags: (name, condition on a column) of each Boolean column to add.
    """

    methods: tuple[str, ...] = ("predict",)
    keep: tuple[tuple[str, str], ...] | None = None
    flags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        method: str | Sequence[str] = "predict",
        outputs: Sequence[str] | Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
    ) -> OutputSpec:
        """From operator arguments: one or several methods (also ``"a, b"``), names to keep or ``{name: new name}``.

        Raises:
            ModelError: a method is unknown or named twice, or a condition cannot be read.
        """
        methods = [name.strip() for name in method.split(",")] if isinstance(method, str) else list(method)
        for name in methods:
            if name not in METHODS:
                raise ModelError(f"method={name!r} is unknown; use one of {', '.join(METHODS)}")
        if len(set(methods)) != len(methods) or not methods:
            raise ModelError(f"method={method!r}: name each method once")
        pairs = outputs.items() if isinstance(outputs, Mapping) else ((name, name) for name in outputs or ())
        keep = None if outputs is None else tuple((str(name), str(new)) for name, new in pairs)
        spec = cls(tuple(methods), keep, tuple((flags or {}).items()))
        for name, condition in spec.flags:
            _parse_flag(name, condition)
        return spec

    @property
    def method(self) -> str:
        """The methods, for display."""
        return ", ".join(self.methods)

    def name(self, method: str, column: str) -> str:
        """Name of a method's column among all methods: ``prediction...`` for a single method, else ``<method>...``."""
        return column if len(self.methods) == 1 else method + column.removeprefix("prediction")

    def columns(self, signature: Mapping[str, Mapping[str, str]], estimator: str) -> dict[str, Column]:
        """Name -> column, for the columns that are kept.

        Args:
            signature: method -> column -> Arrow type, from the model's signature.
            estimator: its name in messages.

        Raises:
            ModelError: the model lacks a method or column, or two are kept under one name.
        """
        every = self._all(signature, estimator)
        pairs = [(name, name) for name in every] if self.keep is None else list(self.keep)
        unknown = [name for name, _ in pairs if name not in every]
        if unknown:
            raise ModelError(f"outputs={unknown}: {self.method} of {estimator} gives {', '.join(every)}")
        for name, condition in self.flags:
            column = _parse_flag(name, condition).column
            if column not in every:
                raise ModelError(
                    f"flags={{{name!r}: {condition!r}}}: there is no output {column!r}; {self.method} gives "
                    f"{', '.join(every)}"
                )
        names = [new for _, new in pairs] + [name for name, _ in self.flags]
        if len(set(names)) != len(names):
            raise ModelError(f"two output columns would have one name: {', '.join(names)}")
        return {new: every[name] for name, new in pairs}

    def _all(self, signature: Mapping[str, Mapping[str, str]], estimator: str) -> dict[str, Column]:
        every = {}
        for method in self.methods:
            if method not in signature:
                raise ModelError(f"the model {estimator} has no {method!r}; it has {', '.join(signature)}")
            for name, kind in signature[method].items():
                every[self.name(method, name)] = Column(method, name, kind)
        return every

    def types(self, signature: Mapping[str, Mapping[str, str]], estimator: str) -> dict[str, str]:
        """Name -> Arrow type of every column written, flags last. Raises like `columns`."""
        kept = {name: column.type for name, column in self.columns(signature, estimator).items()}
        return kept | {name: "bool" for name, _ in self.flags}

    def call(self, estimator: object, features: object) -> dict[str, np.ndarray]:
        """Every column of every method for these features, before any is left out."""
        results: dict[str, np.ndarray] = {}
        for method in self.methods:
            # A method may modify its input, as StandardScaler(copy=False) does; the last one may have the rows.
            given = features if method == self.methods[-1] else _copy(features)
            columns = output_columns(estimator, result_of(estimator, method, given), method)
            results |= {self.name(method, name): values for name, values in columns.items()}
        return results

    @property
    def flagged(self) -> list[str]:
        """The columns that flags are computed from."""
        return [_parse_flag(name, condition).column for name, condition in self.flags]

    def written(self, name: str, every: Mapping[str, np.ndarray]) -> np.ndarray:
        """The column or flag of `call`'s result that is written as `name`. Raises ModelError if it is missing."""
        flag = next((_parse_flag(flag, condition) for flag, condition in self.flags if flag == name), None)
        source = flag.column if flag else next((old for old, new in self.keep or () if new == name), name)
        if source not in every:
            raise ModelError(
                f"the model gave the columns {sorted(every)}, not {source!r}, which training recorded; train it again"
            )
        values = every[source]
        return _COMPARE[flag.compare](values, flag.limit) if flag else values

    def to_list(self) -> list[object]:
        """Plain JSON, for the identity of scores."""
        return [list(self.methods), self.keep and [list(pair) for pair in self.keep], [list(f) for f in self.flags]]


def _parse_flag(name: str, condition: str) -> Flag:
    match = _FLAG.fullmatch(str(condition))
    try:
        return Flag(match[1], match[2], float(match[3]))  # type: ignore[index]
    except (TypeError, ValueError):
        raise ModelError(
            f"flags={{{name!r}: {condition!r}}}: write a column, a comparison and a number, such as "
            "'decision_function<0'"
        ) from None


def check_method(estimator: object, method: str, what: str) -> None:
    """Raise ModelError if the estimator has no method of that name."""
    if not hasattr(estimator, method):
        has = [name for name in METHODS if hasattr(estimator, name)]
        raise ModelError(f"{what}: {type(estimator).__name__} has no {method}; it has {', '.join(has)}")


def _copy(features: Any) -> object:
    return features.copy() if hasattr(features, "iloc") else features.copy(order="K")


def output_columns(estimator: object, values: object, method: str) -> dict[str, np.ndarray]:
    """`columns_of`, keyed by name."""
    return {column.name: column.values for column in columns_of(estimator, values, method)}
