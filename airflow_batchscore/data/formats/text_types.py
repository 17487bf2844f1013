"""Types of columns in formats whose files do not state them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.column_types import TYPE_NAMES
from airflow_batchscore.data.no_type import NO_TYPE
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Arrow type -> what a value of it looks like, for messages.
EXPECTED = {"double": "a number", "int64": "a whole number", "bool": "true or false", "string": "UTF-8 text"}
OTHER_ENCODING = 'Is the file in another encoding? Name it, such as read_options={"encoding": "latin-1"}'


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type that values of a type name are read as. Raises InputError for an unknown name."""
    import pyarrow as pa

    if name == NO_TYPE:
        return pa.null()
    if name not in TYPE_NAMES:
        raise InputError(f"column type {name!r} is unknown; use one of {', '.join(TYPE_NAMES)}")
    return {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}[name]


def type_name(arrow: pa.DataType) -> str:
    """The type name of values that Arrow reads as a type; text for all but numbers and Booleans."""
    import pyarrow.types as pt

    if pt.is_integer(arrow):
        return "int64"
    if pt.is_floating(arrow):
        return "float64"
    if pt.is_boolean(arrow):
        return "bool"
    return NO_TYPE if pt.is_null(arrow) else "string"
