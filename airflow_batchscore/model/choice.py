"""Which model scores what, where each partition or each value of a column has its own, and what to do without one."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from airflow_batchscore.data import storage
from airflow_batchscore.errors import InputError, ModelError, ModelMissingError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import ModelRef, alias_uri, resolve
from airflow_batchscore.model.trust import TRUST_ALL, Trust

log = logging.getLogger(__name__)

Action = Literal["fail", "skip", "fallback"]

_FIELD = re.compile(r"\{(\w+)\}")
_AGE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOST_NAMED = 20
#: How the note on rows ends that were skipped because there was no usable model.
SKIPPED = ", skipped"


@dataclass
class ModelPolicy:
    """What to do where a partition or a sensor has no usable model of its own.

    Each of the five is ``"fail"`` (the plan fails and names all that lack one), ``"skip"`` (rows are skipped, and
    accounted for) or ``"fallback"`` (the model `fallback` scores them).

    Args:
        missing: there is none.
        damaged: its files are incomplete or altered, or of a format that this version does not read. The plan reads
            every model's bytes and checks them.
        stale: it was trained more than `max_age` before `not_after`, or before now.
        too_new: it was trained after `not_after`, so that it may know what it should predict.
        other_version: it was trained with another version of scikit-learn or of its flavour's library; ``"use"`` takes
            it.
        max_age: such as ``"30d"`` (s, m, h, d, w). Templated.
        not_after: ISO time, such as ``"{{ data_interval_end }}"``. Templated.
        fallback: ``"<uri>@<alias>"`` or ``"<uri>/<version>"``. Templated.
    """

    missing: Action = "fail"
    damaged: Action = "fail"
    stale: Action = "fail"
    too_new: Action = "fail"
    other_version: Action | Literal["use"] = "use"
    max_age: str | None = None
    not_after: str | None = None
    fallback: str | None = None

    #: Airflow renders these inside an operator's arguments.
    template_fields: ClassVar[tuple[str, ...]] = ("max_age", "not_after", "fallback")

    def __post_init__(self) -> None:
        for name in ("missing", "damaged", "stale", "too_new", "other_version"):
            allowed = ("fail", "skip", "fallback", "use") if name == "other_version" else ("fail", "skip", "fallback")
            if getattr(self, name) not in allowed:
                raise InputError(f"ModelPolicy({name}={getattr(self, name)!r}): give one of {', '.join(allowed)}")
        uses = [f.name for f in fields(self) if getattr(self, f.name) == "fallback" and f.name != "fallback"]
        if uses and not self.fallback:
            raise InputError(f"ModelPolicy({uses[0]}='fallback') needs fallback=, the model that stands in")

    def limits(self) -> tuple[datetime | None, datetime | None]:
        """The earliest and the latest time at which a model may have been trained."""
        latest = _time(self.not_after) if self.not_after else None
        if not self.max_age:
            return None, latest
        found = _AGE.fullmatch(self.max_age)
        if not found:
            raise InputError(f"ModelPolicy(max_age={self.max_age!r}): write a number and s, m, h, d or w: '30d'")
        age = timedelta(**{_UNITS[found[2]]: float(found[1])})
        return (latest or datetime.now(UTC)) - age, latest


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InputError(f"ModelPolicy(not_after={text!r}) is not an ISO time: {error}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Chosen:
    """The model for a partition, or for a value of a column.

    Attributes:
        model: pinned; None where rows are skipped.
        status: ``"own"``, ``"fallback"`` or ``"skipped"``.
        reason: why it is not its own: ``"missing"``, ``"damaged"``, ``"stale"``, ``"too_new"`` or ``"other_version"``.
    """

    model: ModelRef | None
    status: Literal["own", "fallback", "skipped"] = "own"
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Chosen:
        model = ModelRef.from_dict(value["model"]) if value["model"] else None
        return cls(model, value["status"], value["reason"])

    @property
    def note(self) -> str:
        """For people, where it is not its own model."""
        return f"{self.reason}, {self.status}"


def template_fields(model: Any) -> list[str]:
    """The fields in a model's name, such as ``sensor`` in ``s3://models/{sensor}@champion``."""
    return list(dict.fromkeys(_FIELD.findall(model))) if isinstance(model, str) else []


def filled(model: str, values: Mapping[str, str]) -> str:
    """A model's name with `values` for its fields; other braces stay as they are."""
    return _FIELD.sub(lambda field: values.get(field[1], field[0]), model)


def choose(
    names: Mapping[str, str], policy: ModelPolicy, conn_id: str | None = None, trust: Trust = TRUST_ALL
) -> dict[str, Chosen]:
    """A model for each.

    Args:
        names: what it is for (a partition's key) -> the model's name.

    Raises:
        ModelError: some have no model that may be used and the policy says fail, or none has one, or there is no
            fallback where one is needed. All of them are named.
    """
    limits = policy.limits()
    wanted = list(dict.fromkeys(names.values()))
    found = storage.each(lambda name: _look(name, policy, limits, conn_id, trust), wanted, wanted[0] if wanted else "/")
    looked = dict(zip(wanted, found, strict=True))
    problems = {key: looked[name] for key, name in names.items() if looked[name].problem}
    failing = {key: seen for key, seen in problems.items() if getattr(policy, seen.reason) == "fail"}
    if failing:
        first = "; ".join(f"{key}: {seen.reason}: {seen.problem}" for key, seen in list(failing.items())[:_MOST_NAMED])
        raise ModelError(
            f"{len(failing)} of {len(names)} have no model that may be used: {first}. Train them, or say what to do in "
            "model_policy=ModelPolicy(missing='skip', ...)"
        )
    needed = any(getattr(policy, seen.reason) == "fallback" for seen in problems.values())
    fallback = _pin_fallback(policy, conn_id, trust) if needed else None
    chosen = {
        key: Chosen(looked[name].ref)
        if key not in problems
        else _instead(getattr(policy, looked[name].reason), looked[name].reason, fallback)
        for key, name in names.items()
    }
    if not any(choice.model for choice in chosen.values()):
        raise ModelError(f"none of the {len(names)} has a model: {next(iter(problems.values())).problem}")
    for key, seen in list(problems.items())[:_MOST_NAMED]:
        log.warning("%s: %s (%s)", key, chosen[key].note, seen.problem)
    return chosen


def without_model(policy: ModelPolicy, conn_id: str | None = None, trust: Trust = TRUST_ALL) -> Chosen:
    """What `policy` says of something that turns out to have no model, where it does not say fail."""
    return _instead(policy.missing, "missing", _pin_fallback(policy, conn_id, trust))


def _pin_fallback(policy: ModelPolicy, conn_id: str | None, trust: Trust) -> ModelRef | None:
    if not policy.fallback:
        return None
    ref = resolve(policy.fallback, conn_id, trust)
    artifact.verify(ref)
    return ref


def _instead(action: str, reason: str, fallback: ModelRef | None) -> Chosen:
    if action == "fallback":
        return Chosen(fallback, "fallback", reason)
    return Chosen(None, "skipped", reason)


@dataclass(frozen=True)
class _Seen:
    ref: ModelRef | None
    reason: str = ""
    problem: str = ""


def _look(
    name: str, policy: ModelPolicy, limits: tuple[datetime | None, datetime | None], conn_id: str | None, trust: Trust
) -> _Seen:
    try:
        ref = resolve(name, conn_id, trust)
        manifest = artifact.verify(ref)
    except ModelMissingError as error:
        return _Seen(None, "missing", str(error))
    except ModelError as error:
        return _Seen(None, "damaged", str(error))
    created, (earliest, latest) = _time(manifest.created), limits
    if latest and created > latest:
        return _Seen(ref, "too_new", f"{ref.uri} was trained {manifest.created}, after {latest.isoformat()}")
    if earliest and created < earliest:
        return _Seen(ref, "stale", f"{ref.uri} was trained {manifest.created}, before {earliest.isoformat()}")
    others = artifact.other_versions(manifest) if policy.other_version != "use" else {}
    if others:
        differ = ", ".join(f"{library} {there} (here {here})" for library, (there, here) in others.items())
        return _Seen(ref, "other_version", f"{ref.uri} was trained with {differ}")
    return _Seen(ref)


def models_of(template: str, conn_id: str | None = None) -> dict[str, str]:
    """Value -> name of every model there is under a name with one field, ``<uri>/{sensor}@<alias>``.

    Raises:
        InputError: the name has no alias.
    """
    (field,) = template_fields(template)
    base, at, alias = template.rpartition("@")
    if not at or "/" in alias:
        raise InputError(f"model={template!r}: name an alias, '<uri>/{{{field}}}@<alias>', to find the models by")
    root, _, rest = alias_uri(base, alias).partition(f"{{{field}}}")
    pattern = re.compile(f"{re.escape(root)}([^/]+){re.escape(rest)}")
    found = {}
    for file in storage.list_files(root.rstrip("/"), conn_id, recursive=True):
        match = pattern.fullmatch(file.uri)
        if match:
            found[match[1]] = template.replace(f"{{{field}}}", match[1])
    return found


def coverage(choices: Sequence[Chosen]) -> dict[str, int]:
    """How many have their own model, and how many are without one and why."""
    counts: dict[str, int] = {}
    for choice in choices:
        label = "own model" if choice.status == "own" else choice.note
        counts[label] = counts.get(label, 0) + 1
    return counts
