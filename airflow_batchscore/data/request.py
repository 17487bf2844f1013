"""What a person may write to name partitions: a list, ``"2000..2016"``, JSON from a form, or nothing for all."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from airflow_batchscore.data.pattern import Values, partition_key, require_value
from airflow_batchscore.errors import InputError

#: What `PartitionSensor` returns.
_SEEN = frozenset({"partitions", "files", "bytes"})
_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)\s*")
#: Of a number in a range; longer ones are a slip or worse, and each value would be as long.
_MOST_DIGITS = 18
#: Partitions that one request may name, where the data set does not say.
MOST_PARTITIONS = 100_000
_MOST_SHOWN = 200


def parse_request(request: Any, fields: Sequence[str], most: int = MOST_PARTITIONS) -> list[Values] | None:
    """The partitions asked for, in the order asked; None for all of them.

    Args:
        request: None or an empty text; one value; a list of values or of ``{field: value}`` objects or of keys
            (``"device=7/sensor=2"``); what `PartitionSensor` returned; a text of JSON (or of a Python list, which is
            what Jinja makes of a list); an inclusive range ``"2000..2016"``, which keeps leading zeros.
        fields: the fields of the data set's URI, in order.
        most: partitions that it may name.

    Raises:
        InputError: the text cannot be read, a range runs backwards, a field is missing or unknown, a partition is
            named twice, or there are more than `most`. Ranges are counted before they are written out.
    """
    if isinstance(request, str):
        request = _parse_text(request, most)
    if request is None:
        return None
    if _is_seen(request, fields):
        request = request["partitions"]
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
    return wanted


def seen_before(request: Any, fields: Sequence[str], most: int = MOST_PARTITIONS) -> dict[str, tuple[int, int]]:
    """Files and bytes of each partition, by its key, as a `PartitionSensor` saw them; empty for any other request."""
    if isinstance(request, str):
        request = _parse_text(request, most)
    if not _is_seen(request, fields):
        return {}
    keys = [partition_key(_one(values, fields)) for values in request["partitions"]]
    try:
        return {key: (int(files), int(size)) for key, (files, size) in zip(keys, request["each"], strict=True)}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"partitions= has files and bytes, but not those of each partition ({type(error).__name__}: {error}); hand "
            "on what PartitionSensor returned as it is, or its ['partitions'] alone"
        ) from error


def _is_seen(request: Any, fields: Sequence[str]) -> bool:
    return isinstance(request, Mapping) and set(request) >= _SEEN and set(request) != set(fields)


def _parse_text(text: str, most: int, before: int = 0) -> Any:
    text = text.strip()
    if text in ("", "None", "null"):
        return None
    found = _RANGE.fullmatch(text)
    if found:
        return _expand(found[1], found[2], most, before)
    if text[0] not in "[{":
        return [piece.strip() for piece in text.split(",")]
    return parse_literal(text, "partitions=", "write a JSON list such as [2014, 2015] or a range such as 2000..2016")


def parse_literal(text: str, what: str, advice: str) -> Any:
    """The value of a text of JSON, or of a Python literal, which is what Jinja makes of a list or a mapping.

    Args:
        what: it is, for the message, and `advice` what to write instead.

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


def _one(item: Any, fields: Sequence[str]) -> Values:
    given = item.values() if isinstance(item, Mapping) else [item]
    if any(isinstance(value, (Mapping, list, tuple, set)) for value in given):
        raise InputError("partitions= holds a list or an object where a value was expected: write texts or numbers")
    if isinstance(item, str) and len(fields) > 1:
        item = {name: unquote(value) for name, _, value in (piece.partition("=") for piece in item.split("/"))}
    elif isinstance(item, str) and fields and item.startswith(f"{fields[0]}="):
        item = {fields[0]: unquote(item.partition("=")[2])}
    elif not isinstance(item, Mapping):
        if len(fields) != 1:
            raise InputError(f"partition {item!r}: the data set has the fields {list(fields)}; give a value for each")
        item = {fields[0]: item}
    if set(item) != set(fields):
        raise InputError(f"partition {dict(item)!r}: the data set has the fields {list(fields)}, not {sorted(item)}")
    values = {field: "" if item[field] is None else str(item[field]) for field in fields}
    for field, value in values.items():
        require_value(field, value)
    return values


def _refuse_duplicates(wanted: Sequence[Values]) -> None:
    seen: dict[str, int] = {}
    for values in wanted:
        seen[partition_key(values)] = seen.get(partition_key(values), 0) + 1
    twice = [key for key, count in seen.items() if count > 1]
    if twice:
        raise InputError(f"partitions asked for more than once: {', '.join(twice)}; name each once")
