"""`ModelPolicy`: what to do when a partition, or a value of a column, has no usable model of its own."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal, get_args

from airflow_batchscore.errors import InputError

log = logging.getLogger(__name__)

Action = Literal["fail", "skip", "fallback"]
#: Why a model is not usable: the names of `ModelPolicy`'s cases.
Reason = Literal["missing", "damaged", "stale", "too_new", "other_version"]

_AGE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass
class ModelPolicy:
    """What to do when a partition or a sensor has no usable model of its own.

    Each of the five cases is ``"fail"`` (the plan fails and names all that lack one), ``"skip"`` (rows are skipped and
    accounted for) or ``"fallback"`` (the model `fallback` scores them).

    Args:
        missing: there is no model.
        damaged: its files are incomplete or altered, or in a format that this version cannot read. The plan reads and
            verifies every model's bytes.
        stale: it was trained more than `max_age` before `not_after`, or before now.
        too_new: it was trained after `not_after`, so it may know what it should predict.
        other_version: it was trained with another version of scikit-learn or of its flavour's library; ``"use"``
            accepts it.
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
        for reason in get_args(Reason):
            allowed = ("fail", "skip", "fallback", "use") if reason == "other_version" else ("fail", "skip", "fallback")
            if self.action_for(reason) not in allowed:
                given = self.action_for(reason)
                raise InputError(f"ModelPolicy({reason}={given!r}): give one of {', '.join(allowed)}")
        uses = [reason for reason in get_args(Reason) if self.action_for(reason) == "fallback"]
        if uses and not self.fallback:
            raise InputError(f"ModelPolicy({uses[0]}='fallback') needs fallback=, the model that stands in")

    def action_for(self, reason: Reason) -> Action | Literal["use"]:
        """What to do about a model that is not usable for that reason."""
        match reason:
            case "missing":
                return self.missing
            case "damaged":
                return self.damaged
            case "stale":
                return self.stale
            case "too_new":
                return self.too_new
            case "other_version":
                return self.other_version

    def limits(self) -> tuple[datetime | None, datetime | None]:
        """The earliest and the latest time at which a usable model may have been trained."""
        latest = time_of(self.not_after) if self.not_after else None
        if not self.max_age:
            return None, latest
        match = _AGE.fullmatch(self.max_age)
        if not match:
            raise InputError(f"ModelPolicy(max_age={self.max_age!r}): write a number and s, m, h, d or w: '30d'")
        try:
            earliest = (latest or datetime.now(UTC)) - timedelta(**{_UNITS[match[2]]: float(match[1])})
        except OverflowError:
            raise InputError(f"ModelPolicy(max_age={self.max_age!r}) reaches back before the year 1") from None
        return earliest, latest


def time_of(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InputError(f"ModelPolicy(not_after={text!r}) is not an ISO time: {error}") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
