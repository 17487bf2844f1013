"""Arrow types as texts that stand in JSON, and back."""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns), tz=(.+)\]")
_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)")
#: Begins the text of a type that has none of its own (nested ones): the type as Arrow serialises it follows.
_ENCODED = "arrow:"


def name_of(kind: pa.DataType) -> str:
    """The type's text: Arrow's own where `named` can read it (``"timestamp[us, tz=UTC]"``), else an encoded one."""
    import pyarrow as pa

    if _parsed(str(kind)) == kind:
        return str(kind)
    schema = pa.schema([pa.field("", kind)]).serialize()
    return _ENCODED + base64.b64encode(schema.to_pybytes()).decode()


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of Arrow's for text."""
    import pyarrow.types as pt

    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


@cache
def named(text: str) -> pa.DataType:
    """The type of a text from `name_of`. Raises ValueError for any other text."""
    import pyarrow as pa

    if text.startswith(_ENCODED):
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text.removeprefix(_ENCODED)))).field(0).type
    kind = _parsed(text)
    if kind is None:
        raise ValueError(f"{text!r} is not the name of an Arrow type")
    return kind


def _parsed(text: str) -> pa.DataType | None:
    import pyarrow as pa

    if found := _TIMESTAMP.fullmatch(text):
        return pa.timestamp(found[1], found[2])
    if found := _DECIMAL.fullmatch(text):
        return getattr(pa, f"decimal{found[1]}")(int(found[2]), int(found[3]))
    try:
        return pa.type_for_alias(text)
    except ValueError:
        return None
