"""What an estimator's methods give, as named columns, and which of them a run writes under which names."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
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
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class Column(NamedTuple):
    """An output column: the method it comes from, its name among that method's columns, and its Arrow type."""

    method: str
    name: str
    type: str


class Flag(NamedTuple):
    """A column of truth values: where another column is beyond a limit."""

    column: str
    compare: str
    limit: float


@dataclass(frozen=True)
class OutputSpec:
    """What is asked of a model: which methods are called, and what of their results is written.

    Attributes:
        methods: called one after the other on the same features.
        keep: (column, name it is written under) of those to keep; all, under their own names, when None.
        flags: (name, condition on a column) of each truth value to add.
    """

    methods: tuple[str, ...] = ("predict",)
    keep: tuple[tuple[str, str], ...] | None = None
    flags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, method: Any = "predict", outputs: Any = None, flags: Mapping[str, str] | None = None) -> OutputSpec:
        """From an operator's arguments: a method, several (also as ``"a, b"``), names to keep or ``{name: new name}``.

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
        """As people read it."""
        return ", ".join(self.methods)

    def name(self, method: str, column: str) -> str:
        """A method's column among those of all methods: ``prediction...`` of the only one, else ``<method>...``."""
        return column if len(self.methods) == 1 else method + column.removeprefix("prediction")

    def columns(self, there: Mapping[str, Mapping[str, str]], estimator: str) -> dict[str, Column]:
        """Name -> column, of those that are kept.

        Args:
            there: method -> column -> Arrow type, as the model's signature has them.
            estimator: what messages call it.

        Raises:
            ModelError: the model has no such method or column, or two are kept under one name.
        """
        every = self._all(there, estimator)
        pairs = [(name, name) for name in every] if self.keep is None else list(self.keep)
        unknown = [name for name, _ in pairs if name not in every]
        if unknown:
            raise ModelError(f"outputs={unknown}: {self.method} of {estimator} gives {', '.join(every)}")
        for name, condition in self.flags:
            column = _parse_flag(name, condition).column
            if column not in every:
                raise ModelError(f"flags={{{name!r}: {condition!r}}}: {self.method} gives {', '.join(every)}")
        names = [new for _, new in pairs] + [name for name, _ in self.flags]
        if len(set(names)) != len(names):
            raise ModelError(f"two output columns would have one name: {', '.join(names)}")
        return {new: every[name] for name, new in pairs}

    def _all(self, there: Mapping[str, Mapping[str, str]], estimator: str) -> dict[str, Column]:
        every = {}
        for method in self.methods:
            if method not in there:
                raise ModelError(f"the model {estimator} has no {method!r}; it has {', '.join(there)}")
            for name, kind in there[method].items():
                every[self.name(method, name)] = Column(method, name, kind)
        return every

    def types(self, there: Mapping[str, Mapping[str, str]], estimator: str) -> dict[str, str]:
        """Name -> Arrow type of every column that is written, flags last. Raises like `columns`."""
        kept = {name: column.type for name, column in self.columns(there, estimator).items()}
        return kept | {name: "bool" for name, _ in self.flags}

    def call(self, estimator: Any, features: Any) -> dict[str, np.ndarray]:
        """Every column of every method for these features, none left out yet."""
        found: dict[str, np.ndarray] = {}
        for method in self.methods:
            # A method may change what it is given, as StandardScaler(copy=False) does; the last one may have the rows.
            given = features if method == self.methods[-1] else _copy(features)
            columns = output_columns(estimator, result_of(estimator, method, given), method)
            found |= {self.name(method, name): values for name, values in columns.items()}
        return found

    @property
    def flagged(self) -> list[str]:
        """The columns that flags look at."""
        return [_parse_flag(name, condition).column for name, condition in self.flags]

    def written(self, name: str, every: Mapping[str, np.ndarray]) -> np.ndarray:
        """Of what `call` gave, the column or flag that is written as `name`. Raises ModelError when it is not there."""
        flag = next((_parse_flag(flag, condition) for flag, condition in self.flags if flag == name), None)
        source = flag.column if flag else next((old for old, new in self.keep or () if new == name), name)
        if source not in every:
            raise ModelError(
                f"the model gave the columns {sorted(every)}, not {source!r}, which training recorded; train it again"
            )
        values = every[source]
        return _COMPARE[flag.compare](values, flag.limit) if flag else values

    def to_list(self) -> list[Any]:
        """Plain JSON, for the identity of scores."""
        return [list(self.methods), self.keep and [list(pair) for pair in self.keep], [list(f) for f in self.flags]]


def _parse_flag(name: str, condition: str) -> Flag:
    found = _FLAG.fullmatch(str(condition))
    try:
        return Flag(found[1], found[2], float(found[3]))  # type: ignore[index]
    except (TypeError, ValueError):
        raise ModelError(
            f"flags={{{name!r}: {condition!r}}}: write a column, a comparison and a number, such as "
            "'decision_function<0'"
        ) from None


def check_method(estimator: Any, method: str, what: str) -> None:
    """Raises ModelError when the estimator has no method of that name."""
    if not hasattr(estimator, method):
        has = [name for name in METHODS if hasattr(estimator, name)]
        raise ModelError(f"{what}: {type(estimator).__name__} has no {method}; it has {', '.join(has)}")


def _copy(features: Any) -> Any:
    return features.copy() if hasattr(features, "iloc") else features.copy(order="K")


def output_columns(estimator: Any, values: Any, method: str) -> dict[str, np.ndarray]:
    """`columns_of`, by name."""
    return {column.name: column.values for column in columns_of(estimator, values, method)}
