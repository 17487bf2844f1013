"""Arrow types as strings for JSON, and back."""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns), tz=(.+)\]")
_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)")
#: Prefix for types without a readable string (nested ones); Arrow's serialised type follows.
_ENCODED = "arrow:"


def name_of(kind: pa.DataType) -> str:
    """The type as text: Arrow's own if `arrow_type` can read it (``"timestamp[us, tz=UTC]"``), otherwise encoded."""
    import pyarrow as pa

    if _parsed(str(kind)) == kind:
        return str(kind)
    schema = pa.schema([pa.field("", kind)]).serialize()
    return _ENCODED + base64.b64encode(schema.to_pybytes()).decode()


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of Arrow's text types."""
    import pyarrow.types as pt

    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


@cache
def arrow_type(text: str) -> pa.DataType:
    """The type for a string from `name_of`. Raises ValueError for any other string."""
    import pyarrow as pa

    if text.startswith(_ENCODED):
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text.removeprefix(_ENCODED)))).field(0).type
    kind = _parsed(text)
    if kind is None:
        raise ValueError(f"{text!r} is not the name of an Arrow type")
    return kind


def _parsed(text: str) -> pa.DataType | None:
    import pyarrow as pa

    if match := _TIMESTAMP.fullmatch(text):
        return pa.timestamp(match[1], match[2])
    if match := _DECIMAL.fullmatch(text):
        return getattr(pa, f"decimal{match[1]}")(int(match[2]), int(match[3]))
    try:
        return pa.type_for_alias(text)
    except ValueError:
        return None
