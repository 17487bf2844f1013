"""What a person may write to name partitions: a list, ``"2000..2016"``, JSON from a form, or nothing for all."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import InputError

#: What `PartitionSensor` returns.
_SEEN = frozenset({"partitions", "files", "bytes"})
_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)\s*")


def parse_request(request: Any, fields: Sequence[str]) -> list[Values] | None:
    """The partitions asked for, in the order asked; None for all of them.

    Args:
        request: None or an empty text; one value; a list of values or of ``{field: value}`` objects or of keys
            (``"device=7/sensor=2"``); what `PartitionSensor` returned; a text of JSON (or of a Python list, which is
            what Jinja makes of a list); an inclusive range ``"2000..2016"``, which keeps leading zeros.
        fields: the fields of the data set's URI, in order.

    Raises:
        InputError: the text cannot be read, a range runs backwards, a field is missing or unknown, or a
            partition is named twice.
    """
    if isinstance(request, str):
        request = _parse_text(request)
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
        wanted += [_one(value, fields) for value in (_parse_text(item) if is_text_of_many else [item])]
    _refuse_duplicates(wanted)
    return wanted


def seen_before(request: Any, fields: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Files and bytes of each partition, by its key, as a `PartitionSensor` saw them; empty for any other request."""
    if isinstance(request, str):
        request = _parse_text(request)
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


def _parse_text(text: str) -> Any:
    text = text.strip()
    if text in ("", "None", "null"):
        return None
    found = _RANGE.fullmatch(text)
    if found:
        return _expand(*found.groups())
    if text[0] not in "[{":
        return [piece.strip() for piece in text.split(",")]
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise InputError(
            f"partitions={text!r} cannot be read: write a JSON list such as [2014, 2015] or a range such as 2000..2016"
        ) from error


def _expand(first: str, last: str) -> list[str]:
    if int(first) > int(last):
        raise InputError(f"the range {first}..{last} runs backwards; write {last}..{first}")
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def _one(item: Any, fields: Sequence[str]) -> Values:
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
    for field in fields:
        if item[field] is None or str(item[field]) == "" or "/" in str(item[field]):
            raise InputError(f"partition {dict(item)!r}: the value of {field!r} is empty or holds a '/'")
    return {field: str(item[field]) for field in fields}


def _refuse_duplicates(wanted: Sequence[Values]) -> None:
    seen: dict[str, int] = {}
    for values in wanted:
        seen[partition_key(values)] = seen.get(partition_key(values), 0) + 1
    twice = [key for key, count in seen.items() if count > 1]
    if twice:
        raise InputError(f"partitions asked for more than once: {', '.join(twice)}; name each once")
