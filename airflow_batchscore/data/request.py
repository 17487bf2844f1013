"""How users may name partitions: a list, ``"2000..2016"``, JSON from a form, or nothing for all."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard
from urllib.parse import unquote

from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.data.pattern import Values, partition_key, require_value
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.errors import InputError

#: Incremented when the fields of `SeenPartitions` change.
SCHEMA = 1
#: What tells a `SeenPartitions` from a partition's field values.
_SEEN = frozenset({"partitions", "files", "bytes"})
_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)\s*")
#: Maximum digits of a number in a range; longer ones are a slip or worse, and each value would be as long.
_MOST_DIGITS = 18
#: Maximum partitions per request, unless the dataset sets a limit.
MOST_PARTITIONS = 100_000
_MOST_SHOWN = 200


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
        wanted: their field values, in the requested order; None for all.
        seen: partition key -> files and bytes, if a `PartitionSensor` returned the request; empty for any other.
    """

    wanted: list[Values] | None
    seen: Mapping[str, tuple[int, int]]


def parse_request(request: object, fields: Sequence[str], most: int = MOST_PARTITIONS) -> list[Values] | None:
    """`Request.wanted` of a request; see `read_request`."""
    return read_request(request, fields, most).wanted


def read_request(request: object, fields: Sequence[str], most: int = MOST_PARTITIONS) -> Request:
    """Read a request.

    Args:
        request: None or an empty string; one value; a list of values, of ``{field: value}`` objects or of keys
            (``"device=7/sensor=2"``); what `PartitionSensor` returned; a JSON string (or a Python list, which is what
            Jinja renders for a list); an inclusive range ``"2000..2016"``, which keeps leading zeros.
        fields: the fields of the dataset's URI, in order.
        most: maximum number of partitions.

    Raises:
        InputError: the string cannot be read, a range runs backwards, a field is missing or unknown, a partition is
            named twice, there are more than `most`, or it is an altered output of a sensor. Ranges are counted
            before they are written out.
    """
    if isinstance(request, str):
        request = _parse_text(request, most)
    if request is None:
        return Request(None, {})
    seen = SeenPartitions.from_dict(request, fields) if _is_seen(request, fields) else None
    if seen is not None:
        request = seen.partitions
    if isinstance(request, (str, int, float, Mapping)):
        request = [request]
    if not isinstance(request, Iterable):
        raise InputError(f"partitions={request!r} is neither a list, a range such as '2000..2016', nor JSON")
    wanted: list[Values] = []
    for item in request:
        is_text_of_many = isinstance(item, str) and (_RANGE.fullmatch(item) or item.lstrip().startswith("["))
        items = _parse_text(item, most, len(wanted)) if is_text_of_many else [item]
        _require_few(len(wanted) + len(items), most)
        wanted += [_one(value, fields) for value in items]
    _refuse_duplicates(wanted)
    return Request(wanted, dict(zip(map(partition_key, wanted), seen.each, strict=True)) if seen else {})


def _is_seen(request: object, fields: Sequence[str]) -> TypeGuard[JsonMapping]:
    return isinstance(request, Mapping) and set(request) >= _SEEN and set(request) != set(fields)


def _parse_text(text: str, most: int, before: int = 0) -> Json:
    text = text.strip()
    if text in ("", "None", "null"):
        return None
    match = _RANGE.fullmatch(text)
    if match:
        return _expand(match[1], match[2], most, before)
    if text[0] not in "[{":
        return [piece.strip() for piece in text.split(",")]
    return parse_literal(text, "partitions=", "write a JSON list such as [2014, 2015] or a range such as 2000..2016")


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
        raise InputError(f"{what}{_shown(text)} cannot be read: {advice}") from error


def _expand(first: str, last: str, most: int, before: int) -> list[str]:
    if max(len(first), len(last)) > _MOST_DIGITS:
        raise InputError(
            f"the range {_shown(f'{first}..{last}')} has numbers of up to {max(len(first), len(last))} digits; "
            f"{_MOST_DIGITS} are the most"
        )
    if int(first) > int(last):
        raise InputError(f"the range {first}..{last} runs backwards; write {last}..{first}")
    _require_few(before + int(last) - int(first) + 1, most)
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def _require_few(count: int, most: int) -> None:
    if count > most:
        raise InputError(
            f"partitions= names {count:,} partitions, of which one request may name {most:,}; name fewer, or let the "
            "DAG's author write PartitionedDataset(max_partitions=...)"
        )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")


def _one(item: object, fields: Sequence[str]) -> Values:
    given = item.values() if isinstance(item, Mapping) else [item]
    if any(isinstance(value, (Mapping, list, tuple, set)) for value in given):
        raise InputError("partitions= holds a list or an object where a value was expected: write texts or numbers")
    named = item
    if isinstance(item, str) and len(fields) > 1:
        named = {name: unquote(value) for name, _, value in (piece.partition("=") for piece in item.split("/"))}
    elif isinstance(item, str) and fields and item.startswith(f"{fields[0]}="):
        named = {fields[0]: unquote(item.partition("=")[2])}
    elif not isinstance(item, Mapping) and len(fields) == 1:
        named = {fields[0]: item}
    if not isinstance(named, Mapping) or set(named) != set(fields):
        raise InputError(
            f"partition {dict(item) if isinstance(item, Mapping) else item!r}: the dataset has the fields "
            f"{list(fields)}; give a value for each{_example(item, fields)}"
        )
    values = {field: "" if named[field] is None else str(named[field]) for field in fields}
    for field, value in values.items():
        require_value(field, value)
    return values


def _example(item: object, fields: Sequence[str]) -> str:
    """How to write a partition of these fields; with the values of `item`, if it has one for each."""
    if not fields:
        return ""
    values = item.split("/") if isinstance(item, str) and "=" not in item else []
    if len(values) != len(fields):
        values = ["..."] * len(fields)
    return ": " + "/".join(f"{field}={value}" for field, value in zip(fields, values, strict=True))


def _refuse_duplicates(wanted: Sequence[Values]) -> None:
    seen: dict[str, int] = {}
    for values in wanted:
        seen[partition_key(values)] = seen.get(partition_key(values), 0) + 1
    twice = [key for key, count in seen.items() if count > 1]
    if twice:
        raise InputError(f"partitions asked for more than once: {', '.join(twice)}; name each once")
