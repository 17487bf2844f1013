"""Schema versions of what tasks return through XCom."""

from __future__ import annotations

from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.errors import InputError


def require_schema(value: JsonMapping, schema: int, what: str, again: str) -> None:
    """Raises InputError unless `value` has the fields of this version of the package.

    Values without a schema were returned before they had one: they are the first.

    Args:
        what: such as ``"the plan was made"``.
        again: what to do, such as ``"clear the plan task, so that this version plans the run again"``.
    """
    found = value.get("schema", 1)
    if found != schema:
        raise InputError(f"{what} by another version of this package (schema {found}, not {schema}): {again}")
