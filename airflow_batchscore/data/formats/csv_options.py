"""``read_options`` of CSV that pandas has, too: what they may be, where rows begin, and what is no text of a row.

``skip_rows`` counts lines, before anything else is looked at. ``comment`` ends a line where it is not quoted, and a
line that begins with it is none, above the header as below it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.errors import InputError

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"\s*[+-]?[\d.,]*\d[\d.,]*([eE][+-]?\d+)?\s*", re.ASCII)
_LINE_END = re.compile(rb"\r\n?|\n")
_MARKS = {
    "comment": "read_options={'comment': '#'}",
    "escapechar": "read_options={'escapechar': '\\\\'}",
    "decimal": "read_options={'decimal': ','}",
    "thousands": "read_options={'thousands': ','}",
}


def require_csv_options(options: JsonMapping) -> None:
    """Raise InputError for options that cannot be, alone or together."""
    _require_kinds(options)
    taken = {"delimiter": options.get("delimiter", ","), "quotechar": options.get("quotechar", '"')}
    for name in ("comment", "escapechar"):
        for other, mark in taken.items():
            if options.get(name) == mark:
                raise InputError(f"read_options: {name} and {other} are both {mark!r}; give them different characters")
        if options.get(name) and options.get("newlines_in_values"):
            raise InputError(
                f"read_options: {name} cannot be combined with newlines_in_values: whether a line end belongs to a "
                "value would depend on both. Leave one of them out, or write the files as Parquet"
            )
    if options.get("comment") and options.get("escapechar"):
        raise InputError("read_options: comment and escapechar cannot be combined; leave one of them out")
    if options.get("thousands") and options["thousands"] == options.get("decimal", "."):
        raise InputError(
            f"read_options: thousands and decimal are both {options['thousands']!r}; for numbers such as 1.234,5 "
            'write {"thousands": ".", "decimal": ","}'
        )


def _require_kinds(options: JsonMapping) -> None:
    """Raise InputError for an option that cannot be by itself."""
    for name, example in _MARKS.items():
        _require_mark(name, options.get(name), example)
    skipped = options.get("skip_rows", 0)
    if not isinstance(skipped, int) or isinstance(skipped, bool) or skipped < 0:
        raise InputError(f"read_options: skip_rows={skipped!r} is the number of lines above the header, such as 3")
    _require_names(options.get("column_names"))
    for name in ("pad_short_rows", "newlines_in_values"):
        if not isinstance(options.get(name), (bool, type(None))):
            raise InputError(f"read_options: {name}={options[name]!r}: write true or false (in Python True or False)")
    _require_texts(options)
    _require_separators(options)
    _require_encoding(options.get("encoding"))


def _require_texts(options: JsonMapping) -> None:
    nulls = options.get("null_values", ())
    if not isinstance(nulls, (list, tuple)) or not all(isinstance(text, str) for text in nulls):
        example = json.dumps([nulls] if isinstance(nulls, str) else ["", "NA"])
        raise InputError(
            f"read_options: null_values={nulls!r} must be a list of the texts that are missing values: "
            f"{{'null_values': {example}}}, on the command line --read-option 'null_values={example}'"
        )


def _require_separators(options: JsonMapping) -> None:
    """Raise InputError for a delimiter or a quotechar that Arrow and `csv` do not both know."""
    for name, default, example in (("delimiter", ",", ";"), ("quotechar", '"', "'")):
        mark = options.get(name, default)
        if isinstance(mark, str) and len(mark) == 1 and mark.isascii() and mark not in "\r\n\0":
            continue
        tab = (
            ". Is it a tab? In Python and JSON write {'delimiter': '\\t'}, in a shell --read-option $'delimiter=\\t' "
            "or --read-option 'delimiter=\"\\t\"'"
        )
        hint = tab if name == "delimiter" and mark in ("\\t", "tab", "TAB") else f": {{{name!r}: {example!r}}}"
        raise InputError(f"read_options: {name}={mark!r} must be one ASCII character, and no line end{hint}")
    if options.get("delimiter", ",") == options.get("quotechar", '"'):
        raise InputError(
            f"read_options: delimiter and quotechar are both {options.get('delimiter', ',')!r}; give them different "
            "characters"
        )


def _require_encoding(name: object) -> None:
    if name is None:
        return
    try:
        "a".encode(name)  # type: ignore[arg-type]
    except (LookupError, TypeError, ValueError):
        raise InputError(
            f"read_options: encoding={name!r} is unknown; there are 'utf-8', 'latin-1', 'cp1252', 'utf-16', ..."
        ) from None


def _require_mark(name: str, mark: object, example: str) -> None:
    if mark is None:
        return
    if not isinstance(mark, str) or len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in "\r\n\0+-":
        raise InputError(
            f"read_options: {name}={mark!r} must be one ASCII character that numbers do not use: {example}"
        )


def _require_names(names: object) -> None:
    if names is None:
        return
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"read_options: column_names={names!r} must be a list of the columns, from left to right")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"read_options: column_names has {', '.join(twice)} more than once")


def first_row(text: bytes, options: JsonMapping, *, ended: bool) -> tuple[bytes | None, int] | None:
    """The header, which is None with ``column_names``, and the offset of what follows; None if more text is needed.

    Args:
        text: the beginning of a file.
        ended: whether it is the whole file.
    """
    skipped, names = options.get("skip_rows", 0), options.get("column_names")
    # pandas skips empty lines above a header; without these options such a file has always been refused.
    leaves_out = bool(skipped or options.get("comment"))
    place = len(_BOM) if (leaves_out or names) and text.startswith(_BOM) else 0
    mark = (options.get("comment") or "").encode()
    while True:
        if names and not skipped:
            return None, place
        if place >= len(text) and place and ended:
            return b"", len(text)
        found = _line_at(text, place, ended=ended)
        if found is None:
            return None
        line, place = found
        if skipped:
            skipped -= 1
        elif not (leaves_out and (not line or (mark and line.startswith(mark)))):
            return (without_comments(line, options) if mark else line), place


def _line_at(text: bytes, place: int, *, ended: bool) -> tuple[bytes, int] | None:
    match = _LINE_END.search(text, place)
    if match is None or (match.end() == len(text) and text.endswith(b"\r") and not ended):
        return (text[place:], len(text)) if ended else None
    return text[place : match.start()], match.end()


def without_comments(text: bytes, options: JsonMapping) -> bytes:
    """Whole lines of text without what stands behind a comment character; the line ends stay."""
    mark = options["comment"].encode()
    if mark not in text:
        return text
    quote, delimiter = (re.escape(options.get(*pair).encode()) for pair in (("quotechar", '"'), ("delimiter", ",")))
    comment = re.escape(mark) + rb"[^\r\n]*+"
    # In a quoted field, right behind it, or in one that does not end on its line, it is a letter like others.
    field = rb"(?<![^" + delimiter + rb"\r\n])" + quote + rb"(?:[^" + quote + rb"\r\n]++|" + quote + quote + rb")*+"
    return re.sub(rb"(" + field + rb"(?:" + quote + re.escape(mark) + rb"?|(?=[\r\n]|\Z)))|" + comment, _kept, text)


def _kept(match: re.Match[bytes]) -> bytes:
    return match[1] or b""


def uncommented(lines: Lines, options: JsonMapping) -> Lines:
    """Lines without comments."""
    raw, before, after = (without_comments(bytes(part), options) for part in (lines.raw, lines.before, lines.after))
    return replace(lines, raw=memoryview(raw), before=before, after=after)


def require_escapes(raw: memoryview, options: JsonMapping) -> None:
    """Raise InputError if a line end is escaped, or what follows a quoted value, which Arrow and pandas read apart."""
    mark = re.escape(options["escapechar"].encode())
    quote, delimiter = (re.escape(options.get(*pair).encode()) for pair in (("quotechar", '"'), ("delimiter", ",")))
    match = re.search(rb"(?<!" + mark + rb")(?:" + mark + mark + rb")*+" + mark + rb"(?=[\r\n]|\Z)", raw)
    field = quote + rb"(?:[^" + quote + mark + rb"\r\n]++|" + quote + quote + rb"|" + mark + rb"[^\r\n])*+" + quote
    behind = re.search(rb"(?<![^" + delimiter + rb"\r\n])" + field + mark, raw)
    if behind is not None:
        text = bytes(behind[0][-60:]).decode("utf-8", "backslashreplace")
        raise InputError(
            f"the escapechar follows a quoted value, {text!r}, and programs differ in what that means. If a quote is "
            "missing or one too many, correct the file; or write the values without quotes"
        )
    if match is not None:
        text = bytes(raw[max(match.start() - 60, 0) : match.end()]).decode("utf-8", "backslashreplace")
        raise InputError(
            f"a line ends with the escapechar, {text!r}, so that its row would go on in the next line. Files are "
            "cut at line ends: write such values in quotes and read them with newlines_in_values, without escapechar"
        )


def require_as_many(cells: Sequence[str], options: JsonMapping, uri: str) -> None:
    """Raise InputError if the first row has another number of cells than ``column_names`` names."""
    names = options["column_names"]
    if len(cells) > len(names) or (len(cells) < len(names) and not options.get("pad_short_rows")):
        raise InputError(
            f"{uri}: read_options column_names has {len(names)} names, and the first row has {len(cells)} cells: "
            f"{list(cells)[:20]}. Name each column, from left to right"
        )


def row_advice(text: str, options: JsonMapping, *, short: bool) -> str:
    """Which option may read a line that is no row of the file; empty if none does.

    Args:
        short: whether it has too few cells.
    """
    quote = options.get("quotechar", '"')
    if text.startswith("#") and not options.get("comment"):
        return '. If it is a comment, read_options={"comment": "#"} leaves it out'
    if f"\\{quote}" in text and not options.get("escapechar"):
        return f'. If \\{quote} is a quote within a value, read_options={{"escapechar": "\\\\"}} reads it so'
    if short:
        return (
            '. If cells at the end of a row may be left off, read_options={"pad_short_rows": True} takes them as empty'
        )
    return ""


def header_advice(columns: Sequence[str]) -> str:
    """Which option may find the header of a file, judging by what was taken for its names; ends with a space."""
    numbers = sum(bool(_NUMBER.fullmatch(name)) for name in columns)
    if columns and columns[0].startswith(("#", "%")):
        return f'Is its first line a comment? read_options={{"comment": "{columns[0][0]}"}} leaves it out. '
    if numbers * 2 >= len(columns) > 0:
        return (
            'Is its first line a row? read_options={"column_names": [...]} names the columns of a file without names. '
        )
    if len(columns) == 1 or sum(not name.strip() for name in columns) * 2 >= len(columns):
        return 'Are there lines above its header? read_options={"skip_rows": 1} leaves out one. '
    return ""
