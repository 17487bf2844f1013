"""What a request says of one field: a value, a range ``a..b``, or a wildcard."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from airflow_batchscore.data.calendar_text import DIGITS, Time, is_time, read_time
from airflow_batchscore.data.pattern import require_value
from airflow_batchscore.errors import InputError

#: Maximum digits of a number in a range; longer ones are a slip or worse, and each value would be as long.
_MOST_DIGITS = 18
#: Maximum length of an end of a range, or of a text with a wildcard: no longer than a name on disks.
_LONGEST = 255
_MOST_SHOWN = 200
_NUMBERED = re.compile(r"(\D*?)(\d+)", re.ASCII)
_HOW = (
    "write numbers (2000..2016), months (2026-04..2026-06), days (2026-01-30..2026-02-02), ISO weeks "
    "(2026-W05..2026-W09), quarters (2026-Q1..2026-Q3) or hours (2026-01-30T22..2026-01-31T03), two dots between them; "
    "a name that holds two dots is given as an object, {field: name}"
)


@dataclass(frozen=True)
class Series:
    """Values that are counted before they are written out."""

    count: int
    nth: Callable[[int], str]

    def __iter__(self) -> Iterator[str]:
        return map(self.nth, range(self.count))


class FieldChoice:
    """What one field may be.

    Attributes:
        is_filter: whether it asks for what exists, not for certain values.
    """

    is_filter = False

    def series(self, known: Collection[str]) -> Series:
        """The values asked for.

        Args:
            known: the field's values in existing partitions.
        """
        raise NotImplementedError

    def fits(self, value: str) -> bool:
        """For a filter: whether a value is one of those asked for."""
        raise NotImplementedError


@dataclass(frozen=True)
class OneValue(FieldChoice):
    """A value as it stands."""

    value: str

    def series(self, known: Collection[str]) -> Series:
        return Series(1, lambda _: self.value)


@dataclass(frozen=True)
class Numbers(FieldChoice):
    """Numbers with as many digits as the first, behind the same letters (``dev-08..dev-10``)."""

    first: str
    last: str
    letters: str = ""

    def series(self, known: Collection[str]) -> Series:
        first, width = int(self.first), len(self.first)
        return Series(int(self.last) - first + 1, lambda place: f"{self.letters}{first + place:0{width}}")


@dataclass(frozen=True)
class Times(FieldChoice):
    """Units of time in the form of the first."""

    first: Time
    last: Time

    def series(self, known: Collection[str]) -> Series:
        return Series(self.last.number - self.first.number + 1, lambda place: self.first.at(self.first.number + place))


@dataclass(frozen=True)
class NumbersOrTimes(FieldChoice):
    """Two numbers that may be months, days or hours, such as 20260130..20260202: they are what exists.

    Times if all existing values of that many digits are, and if both ends are and there is none yet.
    """

    numbers: Numbers

    def series(self, known: Collection[str]) -> Series:
        first, last = self.numbers.first, self.numbers.last
        alike = [value for value in known if len(value) == len(first) and value.isascii() and value.isdigit()]
        times = all(map(is_time, alike)) if alike else is_time(first) and is_time(last)
        return times_between(first, last).series(known) if times else self.numbers.series(known)


@dataclass(frozen=True)
class Wildcard(FieldChoice):
    """``*`` stands for any letters, ``?`` for one."""

    text: str

    is_filter = True

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        # Its stars give nothing back, so that no name takes long to refuse.
        return re.compile(fnmatch.translate(re.sub(r"\*+", "*", self.text).replace("[", "[[]")))

    def fits(self, value: str) -> bool:
        return self._regex.match(value) is not None


def read_choice(field: str, text: str, *, encoded: bool = False) -> FieldChoice:
    """Read a value, a range or a wildcard.

    Args:
        encoded: whether values are percent-encoded, as in a partition's key.

    Raises InputError saying what is wrong with a range, or a value that no partition can have.
    """
    if (found := _range(text)) is not None:
        return found
    value = unquote(text) if encoded else text
    if "*" in text or "?" in text:
        _require_length(text, "wildcard")
        return Wildcard(value)
    require_value(field, value)
    return OneValue(value)


def ends_of(text: str) -> tuple[str, str] | None:
    """The two ends of what looks like a range; None if it does not.

    Raises InputError if an end is missing, or there are three dots.
    """
    first, dots, last = (piece.strip() for piece in text.partition(".."))
    # What begins with a digit is meant as a range, and may be mistyped; other names may well hold two dots.
    if not dots or not ((first or last.lstrip("."))[:1].isdigit() or _numbered(first, last)):
        return None
    if last.startswith("."):
        right = f"{first}..{last.lstrip('.')}"
        raise InputError(f"the range {shown_text(text)} has more than two dots; write {shown_text(right)}")
    if not first or not last:
        raise InputError(f"the range {shown_text(text)} lacks its {'last' if first else 'first'} value; {_HOW}")
    _require_digits(first, last)
    _require_length(text, "range")
    return first, last


def _range(text: str) -> FieldChoice | None:
    ends = ends_of(text)
    if ends is None:
        return None
    numbered = _numbered(*ends)
    if numbered is None:
        return times_between(*ends)
    letters, first, last = numbered
    _require_forward(int(first), int(last), *ends)
    numbers = Numbers(first, last, letters)
    may_be_times = not letters and len(first) == len(last) and len(first) in DIGITS
    return NumbersOrTimes(numbers) if may_be_times and (is_time(first) or is_time(last)) else numbers


def times_between(first: str, last: str) -> Times:
    """The units of time from one to the other. Raises InputError if they are none, or of different kinds."""
    text = f"{first}..{last}"
    begin, end = _time(first, text), _time(last, text)
    if begin.form != end.form:
        kinds = f"a {begin.unit} and a {end.unit}" if begin.unit != end.unit else f"{begin.unit}s in two forms"
        raise InputError(f"the range {text} goes from {first} to {last}, {kinds}; write both ends alike")
    _require_forward(begin.number, end.number, first, last)
    return Times(begin, end)


def _time(text: str, whole: str) -> Time:
    try:
        time = read_time(text)
    except InputError as error:
        raise InputError(f"the range {whole}: {error}") from None
    if time is None:
        raise InputError(f"the range {shown_text(whole)} cannot be read, because of {shown_text(text)}: {_HOW}")
    return time


def _numbered(first: str, last: str) -> tuple[str, str, str] | None:
    """The common letters and the numbers of two ends that differ in a number behind them."""
    begin, end = _NUMBERED.fullmatch(first), _NUMBERED.fullmatch(last)
    if begin is None or end is None or begin[1] != end[1]:
        return None
    return begin[1], begin[2], end[2]


def _require_digits(first: str, last: str) -> None:
    digits = max(len(end) for end in (first, last)) if first.isdigit() and last.isdigit() else 0
    if digits > _MOST_DIGITS:
        raise InputError(
            f"the range {shown_text(f'{first}..{last}')} has numbers of up to {digits} digits; {_MOST_DIGITS} are the "
            "most"
        )


def _require_length(text: str, what: str) -> None:
    if len(text) > _LONGEST:
        raise InputError(f"the {what} {shown_text(text)} has {len(text)} letters; {_LONGEST} are the most")


def _require_forward(begin: int, end: int, first: str, last: str) -> None:
    if begin > end:
        raise InputError(f"the range {first}..{last} runs backwards; write {last}..{first}")


def shown_text(text: str) -> str:
    """A text for a message, cut short."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")
