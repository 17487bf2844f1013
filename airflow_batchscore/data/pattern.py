"""URI templates with fields (``s3://tennis/wta_matches_{year}.csv``): match them, fill them, order their values."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, unquote

from airflow_batchscore.data.field_expression import MOST_OPEN, FieldExpression
from airflow_batchscore.errors import InputError

#: A partition's field values in template order, e.g. ``{"year": "2015"}``.
Values = dict[str, str]


#: Longest file or folder name on common disks, in bytes.
_LONGEST_NAME = 255
#: Bytes of letters that are not ASCII, as `partition_key` writes them.
_ENCODED = re.compile(r"(?:%[89A-F][0-9A-F])+")


def partition_key(values: Mapping[str, str]) -> str:
    """The name of a partition, ``device=7/sensor=t%2F1``: a safe relative path, unique per set of values."""
    return "/".join(f"{_quoted(field)}={_quote_value(value)}" for field, value in values.items())


def values_of(key: str) -> Values:
    """The values of a partition by its name: the inverse of `partition_key`."""
    pieces = (piece.partition("=") for piece in key.split("/"))
    return {unquote(field): unquote(value) for field, _, value in pieces}


def shown(key: str) -> str:
    """A partition's name for people, who may write it like this, too: letters that are not ASCII as they are."""
    return _ENCODED.sub(lambda found: _decoded(found[0]), key)


def _decoded(encoded: str) -> str:
    try:
        text = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        return encoded
    return text if text.isprintable() else encoded


def require_short_names(values: Mapping[str, str]) -> None:
    """Raise InputError if a partition's folder would have a longer name than disks allow.

    The same limit applies to every storage, so that scores can be copied from one to another.
    """
    key = partition_key(values)
    for name in key.split("/"):
        if len(name) > _LONGEST_NAME:
            raise InputError(
                f"partition {dict(values)!r}: its folder would be called {name[:60]}..., {len(name)} bytes; "
                f"{_LONGEST_NAME} is the limit of disks (a letter that is not ASCII takes up to 12). "
                "Give the files shorter names, or split the value over two fields"
            )


def require_value(field: str, value: str) -> None:
    """Raise InputError for a partition value that is not a valid file or folder name and so could lead elsewhere."""
    if not _is_name(value) or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InputError(
            f"partition {field}={value!r}: the value of {field!r} is empty, '.' or '..', or holds a '/', or half of a "
            "letter that UTF-8 has no code for"
        )


def _is_name(value: str) -> bool:
    return value not in ("", ".", "..") and "/" not in value


def _quoted(text: str, safe: str = "") -> str:
    # `quote` takes ten times as long, and a page names 10,000 partitions.
    return text if text.isascii() and text.isalnum() else quote(text, safe=safe)


def _quote_value(value: str) -> str:
    quoted = _quoted(value, " ")
    return quoted.replace(".", "%2E") if set(value) == {"."} else quoted


def sort_key(values: Mapping[str, str]) -> tuple[tuple[int, int, str], ...]:
    """Numbers by value, before strings in alphabetical order, field by field."""
    return tuple((0, int(v), v) if v.isascii() and v.isdigit() else (1, 0, v) for v in values.values())


def listing_root(uri: str) -> tuple[str, bool]:
    """The folder to list for a URI that may hold ``{field}`` or ``*``, and whether files can lie deeper."""
    folder = re.split(r"[*{]", uri, maxsplit=1)[0].rpartition("/")[0]
    return folder, uri.endswith("/") or "/" in uri[len(folder) + 1 :]


@dataclass(frozen=True)
class UriPattern:
    """A URI template: literal text, ``{field}``, and ``*`` after the last field.

    A field never spans a ``/``, and ``{field:expression}`` limits it; see `field_expression`. A template that ends in a
    field's folder (``year={year}/``) matches every file below it.
    """

    template: str

    @cached_property
    def _pieces(self) -> list[tuple[str, str | None]]:
        return [(literal, field) for literal, field, _ in self._parsed]

    @cached_property
    def _parsed(self) -> list[tuple[str, str | None, str]]:
        """Literal text, the field behind it, and the field's expression."""
        try:
            parsed = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise InputError(f"the dataset's uri {self.template!r} is not a template: {error}") from error
        for _, field, _, conversion in parsed:
            if field is not None and (not field.isidentifier() or conversion):
                raise InputError(
                    f"the dataset's uri {self.template!r} holds {{{field}}}; a field is a plain name such as {{year}}"
                )
        return [(literal, field, spec or "") for literal, field, spec, _ in parsed]

    @cached_property
    def _expressions(self) -> dict[str, FieldExpression]:
        found: dict[str, FieldExpression] = {}
        for _, field, text in self._parsed:
            if not field or not text:
                continue
            if field in found and found[field].text != text:
                raise InputError(
                    f"the dataset's uri {self.template!r} limits {{{field}}} in two ways: {found[field].text} and "
                    f"{text}"
                )
            found[field] = FieldExpression(field, text)
        for count, limited in self._open_parts(found):
            if limited and count > MOST_OPEN:
                raise InputError(
                    f"the dataset's uri {self.template!r} has {count} parts of any length in one name, beside an "
                    f"expression; {MOST_OPEN} are the most. Say how long a value is, such as {{year:\\d{{4}}}}"
                )
        return found

    def _open_parts(self, expressions: Mapping[str, FieldExpression]) -> Iterator[tuple[int, bool]]:
        """For each name: how many of its parts are of any length, and whether expressions limit one of them."""
        count, limited, seen = 0, False, set[str]()
        for literal, field in [*self._pieces, ("/", None)]:
            *ended, _ = literal.split("/")
            count += (ended[0] if ended else literal).count("*")
            if ended:
                yield count, limited
                count, limited = literal.rpartition("/")[2].count("*"), False
            if field and field not in seen:
                seen.add(field)
                limited |= field in expressions
                count += expressions[field].open if field in expressions else 1

    @cached_property
    def _slow_names(self) -> int:
        """How many names of a URI, from its beginning, must be short, because a long one might take long to refuse."""
        slow = any(count > (2 if limited else 3) for count, limited in self._open_parts(self._expressions))
        return self.template.count("/") + (not self.is_folder) if slow else 0

    @cached_property
    def fields(self) -> tuple[str, ...]:
        fields = tuple(dict.fromkeys(field for _, field in self._pieces if field))
        assert set(self._expressions) <= {*fields}, "reading them refuses a wrong one"
        return fields

    @cached_property
    def hive_fields(self) -> frozenset[str]:
        """Fields that name a folder of Hive's kind, ``year={year}/``, whether an expression limits them or not."""
        # A mark in the place of each field.
        text = "".join(literal + ("" if field is None else f"\0{field}\0") for literal, field in self._pieces)
        return frozenset(field for field in self.fields if f"{field}=\0{field}\0" in text.split("/"))

    def columns(self, values: Mapping[str, str]) -> Values:
        """A partition's values as columns: Hive's folders are named percent-encoded, by Spark as by this package."""
        hive = self.hive_fields
        return {field: unquote(value) if field in hive else value for field, value in values.items()}

    @property
    def is_folder(self) -> bool:
        return self.template.endswith("/")

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        text, seen = "", set[str]()
        for literal, field in self._pieces:
            text += "[^/]*".join(re.escape(piece) for piece in literal.split("*"))
            if field in seen:
                text += f"(?P={field})"
            elif field:
                text += self._expressions[field].group if field in self._expressions else f"(?P<{field}>[^/]+)"
                seen.add(field)
        return re.compile(text + ("(?![._])(?!.*/[._]).*" if self.is_folder else ""), re.DOTALL)

    def match(self, uri: str) -> Values | None:
        """The field values of a file's URI, or None if the file is not in this dataset.

        Object stores have longer names than disks. In a template with several parts of any length in one name, such
        a name is in no dataset.
        """
        if any(len(name) > _LONGEST_NAME for name in uri.split("/")[: self._slow_names]):
            return None
        match = self._regex.fullmatch(uri)
        values = {field: match[field] for field in self.fields} if match else {}
        return values if match and all(map(_is_name, values.values())) else None

    def fill(self, values: Mapping[str, str]) -> str:
        """The URI with `values` filled in; a glob stays a glob.

        Raises InputError for a value that spans a ``/``, or that the field's expression does not allow.
        """
        for field in self.fields:
            require_value(field, values[field])
            expression = self._expressions.get(field)
            if expression is not None and not expression.fits(values[field]):
                raise InputError(
                    f"partition {field}={values[field]!r}: the dataset's uri allows only values of the form "
                    f"{expression.text} ({{{field}:{expression.text}}})"
                )
        return "".join(literal + (values[field] if field else "") for literal, field in self._pieces)
