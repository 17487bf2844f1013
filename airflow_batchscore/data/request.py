"""How users may name partitions: a list, a range, wildcards, JSON from a form, or nothing for all."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TypeGuard

from airflow_batchscore.data.asked import Asked, Item, require_few, resolve
from airflow_batchscore.data.date_fields import DateRange, date_fields, is_date, read_dates
from airflow_batchscore.data.field_choice import FieldChoice, OneValue, read_choice, shown_text
from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.data.pattern import Values, partition_key, require_value
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.errors import InputError

#: Incremented when the fields of `SeenPartitions` change.
SCHEMA = 1
#: What tells a `SeenPartitions` from a partition's field values.
_SEEN = frozenset({"partitions", "files", "bytes"})
#: Maximum partitions per request, unless the dataset sets a limit.
MOST_PARTITIONS = 100_000
_LONGEST_SHOWN = 200


@dataclass(frozen=True)
class SeenPartitions:
    """What `PartitionSensor` returns: the partitions that it saw, and the number of files and bytes of each."""

    partitions: Sequence[Values]
    each: Sequence[tuple[int, int]]

    def to_dict(self) -> JsonObject:
        """Plain JSON, with the sums."""
        return {
            "schema": SCHEMA,
            "partitions": [dict(values) for values in self.partitions],
            "files": sum(files for files, _ in self.each),
            "bytes": sum(size for _, size in self.each),
            "each": [list(pair) for pair in self.each],
        }

    @classmethod
    def from_dict(cls, value: JsonMapping, fields: Sequence[str]) -> SeenPartitions:
        """Raises InputError for what another version of this package returned, or somebody shortened."""
        again = "pass on exactly what PartitionSensor returned, or its ['partitions'] alone"
        require_schema(value, SCHEMA, "partitions= was returned", f"clear the sensor's task, and {again}")
        try:
            partitions = [_one(values, fields) for values in value["partitions"]]
            each = [(int(files), int(size)) for files, size in value["each"]]
            return cls([values for values, _ in zip(partitions, each, strict=True)], each)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "partitions= has files and bytes, but not those of each partition "
                f"({type(error).__name__}: {error}); {again}"
            ) from error


@dataclass(frozen=True)
class Request:
    """The partitions that somebody asks for.

    Attributes:
        items: what is asked for, in the requested order; None for all.
        seen: partition key -> files and bytes, if a `PartitionSensor` returned the request; empty for any other.
        fields: of the dataset.
        most: maximum number of partitions.
    """

    items: list[Values | Item] | None
    seen: Mapping[str, tuple[int, int]]
    fields: Sequence[str]
    most: int

    @property
    def is_fixed(self) -> bool:
        """Whether it means the same partitions whatever exists."""
        return self.items is None or not any(isinstance(item, Item) for item in self.items)

    def asked(self, existing: Sequence[Values] = ()) -> Asked:
        """The partitions that it means if these exist; see `resolve`."""
        return Asked(None) if self.items is None else resolve(self.items, self.fields, existing, self.most)


def parse_request(
    request: object, fields: Sequence[str], most: int = MOST_PARTITIONS, existing: Sequence[Values] = ()
) -> list[Values] | None:
    """The partitions that a request means if these exist, None for all; see `read_request`."""
    return read_request(request, fields, most).asked(existing).wanted


def read_request(request: object, fields: Sequence[str], most: int = MOST_PARTITIONS) -> Request:
    """Read a request. docs/how-to/choose-partitions.md has all that may be written.

    Args:
        request: None or an empty string; a text; a list of texts and numbers; ``{field: value}`` objects, which are
            taken as they are; what `PartitionSensor` returned; a JSON string (or a Python list, which is what Jinja
            renders for a list). A text is a value, an inclusive range (``"2000..2016"``, ``"2026-01-30..2026-02-02"``),
            a wildcard (``"2026-*"``) or names its fields (``"country=DE,FR/year=2020..2022"``).
        fields: the fields of the dataset's URI, in order.
        most: maximum number of partitions.

    Raises:
        InputError: a text cannot be read, a range runs backwards, a field is missing or unknown, a partition is
            named twice, there are more than `most`, or it is an altered output of a sensor. Ranges are counted
            before they are written out.
    """
    if isinstance(request, str):
        request = _parse_text(request, fields)
    if request is None:
        return Request(None, {}, fields, most)
    seen = SeenPartitions.from_dict(request, fields) if _is_seen(request, fields) else None
    if seen is not None:
        request = seen.partitions
    if isinstance(request, (str, int, float, Mapping)):
        request = [request]
    if not isinstance(request, Iterable):
        raise InputError(
            f"partitions={request!r} is neither a list, a range such as '2000..2016' or '2026-01-30..2026-02-02', nor "
            "JSON"
        )
    items: list[Values | Item] = []
    for given in request:
        is_json = isinstance(given, str) and given.lstrip().startswith("[")
        for each in _as_list(_parse_text(given, fields)) if is_json else [given]:
            items += _items(each, fields, most)
            require_few(len(items), most)
    if not seen:
        made = Request(items, {}, fields, most)
        made.asked()  # raises for a request of absurd size, and what no partition can be called
        return made
    keys = [partition_key(values) for values in seen.partitions]
    return Request(items, dict(zip(keys, seen.each, strict=True)), fields, most)


def _is_seen(request: object, fields: Sequence[str]) -> TypeGuard[JsonMapping]:
    return isinstance(request, Mapping) and set(request) >= _SEEN and set(request) != set(fields)


def _parse_text(text: str, fields: Sequence[str]) -> Json:
    text = text.strip()
    if text in ("", "None", "null"):
        return None
    if text[0] not in "[{":
        return _pieces(text, fields)
    advice = (
        "write a JSON list such as [2014, 2015], a range such as 2000..2016 or 2026-01-30..2026-02-02, or "
        "names such as DE, FR"
    )
    return parse_literal(text, "partitions=", advice)


def _as_list(value: Json) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def _pieces(text: str, fields: Sequence[str]) -> list[str]:
    """The pieces between commas; behind a field's name a comma goes on with its values (``country=DE,FR``)."""
    pieces: list[str] = []
    for piece in map(str.strip, text.split(",")):
        if pieces and _names_field(pieces[-1], fields) and not _names_field(piece, fields):
            pieces[-1] += f",{piece}"
        else:
            pieces.append(piece)
    return pieces


def _names_field(text: str, fields: Sequence[str]) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.strip() in fields


def parse_literal(text: str, what: str, advice: str) -> Json:
    """Parse a JSON string or a Python literal, which is what Jinja renders for a list or a mapping.

    Args:
        what: name of the value in the message; `advice` says what to write instead.

    Raises:
        InputError: it is neither, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(f"{what}{shown_text(text)} cannot be read: {advice}") from error


def _items(item: object, fields: Sequence[str], most: int) -> list[Values | Item]:
    """What one element of a request asks for."""
    if not isinstance(item, str):
        return [_one(item, fields)]
    if len(fields) == 1 and not _names_field(item, fields):
        choice = read_choice(fields[0], item)
        return [{fields[0]: choice.value}] if isinstance(choice, OneValue) else [Item(item, {fields[0]: choice})]
    return _of_key(item, fields, most)


def _of_key(item: str, fields: Sequence[str], most: int) -> list[Values | Item]:
    """``country=DE,FR/year=2020..2022``: an item for each combination of what stands between commas."""
    choices: dict[str, list[FieldChoice]] = {}
    dates: list[DateRange | None] = [None]
    calendar = date_fields(fields)
    for segment in item.split("/"):
        name, equals, text = (piece.strip() for piece in segment.partition("="))
        if not equals and calendar and dates == [None] and all(map(is_date, segment.split(","))):
            dates = [read_dates(piece, calendar) for piece in segment.split(",")]
        elif not equals or name not in fields or name in choices:
            raise _unreadable(item, fields)
        else:
            choices[name] = [read_choice(name, piece.strip(), encoded=True) for piece in text.split(",")]
    said_twice = [name for date in dates if date for name in date.fields if name in choices]
    if said_twice:
        raise InputError(
            f"partition {_short(item)!r}: a date is given, and {said_twice[0]}=, too; write one of the two"
        )
    require_few(prod(map(len, choices.values())) * len(dates), most)
    items = [
        Item(_short(item), dict(zip(choices, chosen, strict=True)), date)
        for date in dates
        for chosen in product(*choices.values())
    ]
    return [_plain(each, fields) or each for each in items]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _plain(item: Item, fields: Sequence[str]) -> Values | None:
    """The partition that an item names, if it is one by its values."""
    values = {name: choice.value for name, choice in item.choices.items() if isinstance(choice, OneValue)}
    return {name: values[name] for name in fields} if set(values) == {*fields} else None


def _one(item: object, fields: Sequence[str]) -> Values:
    """The partition that an object names, or a number for the only field."""
    given = item.values() if isinstance(item, Mapping) else [item]
    if any(isinstance(value, (Mapping, list, tuple, set)) for value in given):
        raise InputError("partitions= holds a list or an object where a value was expected: write texts or numbers")
    named = {fields[0]: item} if not isinstance(item, Mapping) and len(fields) == 1 else item
    if not isinstance(named, Mapping) or set(named) != set(fields):
        raise _unreadable(item, fields)
    values = {field: "" if named[field] is None else str(named[field]) for field in fields}
    for field, value in values.items():
        require_value(field, value)
    return values


def _unreadable(item: object, fields: Sequence[str]) -> InputError:
    shown = dict(item) if isinstance(item, Mapping) else item
    if isinstance(shown, str):
        shown = _short(shown)
    return InputError(
        f"partition {shown!r}: the dataset has the fields {list(fields)}; give a value for each{_example(item, fields)}"
    )


def _example(item: object, fields: Sequence[str]) -> str:
    """How to write a partition of these fields; with the values of `item`, if it has one for each."""
    if not fields:
        return ""
    values = item.split("/") if isinstance(item, str) and "=" not in item else []
    if len(values) != len(fields):
        values = ["..."] * len(fields)
    return ": " + "/".join(f"{field}={value}" for field, value in zip(fields, values, strict=True))
