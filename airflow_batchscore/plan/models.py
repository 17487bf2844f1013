"""The models that a plan pins: one, a champion and its challenger, one per partition or value of a column, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.policy import Reason

#: Suffix of the note on rows that were skipped for lack of a usable model.
SKIPPED = ", skipped"


@dataclass(frozen=True)
class Chosen:
    """The model for a partition or a value of a column.

    Attributes:
        model: pinned; None if rows are skipped.
        status: ``"own"``, ``"fallback"`` or ``"skipped"``.
        reason: why it is not its own; None if it is.
    """

    model: ModelRef | None
    status: Literal["own", "fallback", "skipped"] = "own"
    reason: Reason | None = None

    def to_dict(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Chosen:
        model = ModelRef.from_dict(value["model"]) if value["model"] else None
        return cls(model, value["status"], value["reason"])

    @property
    def note(self) -> str:
        """Human-readable text, if this is not its own model."""
        return f"{self.reason}, {self.status}"


@dataclass(frozen=True)
class OneModel:
    """One model for all rows."""

    model: ModelRef

    kind: ClassVar = "one"
    column: ClassVar = None

    @property
    def pinned(self) -> list[ModelRef]:
        """Every model that may be loaded."""
        return [self.model]

    def only(self, keys: Sequence[str]) -> OneModel:
        """The part that concerns the given partitions."""
        return self

    def to_dict(self) -> JsonObject:
        return {"kind": self.kind, "model": self.model.to_dict()}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> OneModel:
        return cls(ModelRef.from_dict(value["model"]))


@dataclass(frozen=True)
class ChampionAndChallenger:
    """Two models that each score all rows; only the champion's scores are published.

    Attributes:
        champion, challenger: they are equal after the challenger was promoted.
    """

    champion: ModelRef
    challenger: ModelRef

    kind: ClassVar = "champion and challenger"
    column: ClassVar = None

    @property
    def named(self) -> str:
        """Both versions, for people."""
        return f"{self.champion.version}, challenged by {self.challenger.version}"

    @property
    def pinned(self) -> list[ModelRef]:
        """Every model that may be loaded, the champion first."""
        return [self.champion, self.challenger]

    def only(self, keys: Sequence[str]) -> ChampionAndChallenger:
        """The part that concerns the given partitions."""
        return self

    def to_dict(self) -> JsonObject:
        return {"kind": self.kind, "champion": self.champion.to_dict(), "challenger": self.challenger.to_dict()}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> ChampionAndChallenger:
        return cls(ModelRef.from_dict(value["champion"]), ModelRef.from_dict(value["challenger"]))


@dataclass(frozen=True)
class ModelPerPartition:
    """A model for each partition.

    Attributes:
        choices: partition key -> its model.
        like: a model whose output columns are used for partitions without one.
    """

    choices: Mapping[str, Chosen]
    like: ModelRef

    kind: ClassVar = "per partition"
    column: ClassVar = None

    @property
    def pinned(self) -> list[ModelRef]:
        """Every model that may be loaded."""
        return [*(choice.model for choice in self.choices.values() if choice.model), self.like]

    def only(self, keys: Sequence[str]) -> ModelPerPartition:
        """The part that concerns the given partitions."""
        return ModelPerPartition({key: self.choices[key] for key in keys}, self.like)

    def to_dict(self) -> JsonObject:
        return {"kind": self.kind, "choices": _pairs(self.choices), "like": self.like.to_dict()}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> ModelPerPartition:
        return cls(_choices(value["choices"]), ModelRef.from_dict(value["like"]))


@dataclass(frozen=True)
class ModelByColumn:
    """A model for each value of a column.

    Attributes:
        column: its name; None for models that do not depend on a column.
        choices: the value's text -> its model.
        missing: how to treat any other value; None fails.
    """

    column: str
    choices: Mapping[str, Chosen]
    missing: Chosen | None = None

    kind: ClassVar = "by column"

    @property
    def like(self) -> ModelRef:
        """The model whose recipe defines what is read, and whose outputs all others must have."""
        return first_model(self.choices)

    @property
    def pinned(self) -> list[ModelRef]:
        """Every model that may be loaded."""
        choices = [*self.choices.values(), *([self.missing] if self.missing else [])]
        return [choice.model for choice in choices if choice.model]

    def only(self, keys: Sequence[str]) -> ModelByColumn:
        """The part that concerns the given partitions."""
        return self

    def to_dict(self) -> JsonObject:
        missing = self.missing.to_dict() if self.missing else None
        return {"kind": self.kind, "column": self.column, "choices": _pairs(self.choices), "missing": missing}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> ModelByColumn:
        missing = Chosen.from_dict(value["missing"]) if value["missing"] else None
        return cls(value["column"], _choices(value["choices"]), missing)


@dataclass(frozen=True)
class NoModel:
    """No model: the scoring tasks apply a function."""

    def only(self, keys: Sequence[str]) -> NoModel:
        """The part that concerns the given partitions."""
        return self

    def to_dict(self) -> None:
        return None


Models = OneModel | ChampionAndChallenger | ModelPerPartition | ModelByColumn
_KINDS: dict[str, type[Models]] = {
    kind.kind: kind for kind in (OneModel, ChampionAndChallenger, ModelPerPartition, ModelByColumn)
}


def models_from_dict(value: JsonMapping | None) -> Models | NoModel:
    """The inverse of `to_dict`."""
    return NoModel() if value is None else _KINDS[value["kind"]].from_dict(value)


def first_model(choices: Mapping[str, Chosen]) -> ModelRef:
    """The model that stands for all of them where they must be alike. At least one has a model (`choose`)."""
    return next(choice.model for choice in choices.values() if choice.model)


def _pairs(choices: Mapping[str, Chosen]) -> list[list[object]]:
    return [[key, choice.to_dict()] for key, choice in choices.items()]


def _choices(pairs: Sequence[Sequence[Any]]) -> dict[str, Chosen]:
    return {key: Chosen.from_dict(choice) for key, choice in pairs}
