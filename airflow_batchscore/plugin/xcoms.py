"""What tasks returned, as Airflow's database has it: nothing of it is believed before its seal was checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from airflow.models.xcom import XCOM_RETURN_KEY, XComModel
from sqlalchemy import select

from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.errors import GateError
from airflow_batchscore.operators.seal import unseal

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

#: Columns for the conditions of `returned`. A query of the model's own would parse the values of all rows at once.
COLUMNS = XComModel.__table__.c


class Returned(NamedTuple):
    """What a task returned, as stored.

    Attributes:
        run: ``<dag_id>/<run_id>``.
    """

    run: str
    task_id: str
    map_index: int
    value: Json

    @property
    def instance(self) -> tuple[str, int]:
        """Of the task."""
        return self.task_id, self.map_index

    def unsealed(self, purpose: str) -> JsonObject:
        """The sealed value. Raises GateError if the task did not return this in this run: somebody edited it."""
        place = f" [{self.map_index}]" if self.map_index >= 0 else ""
        argument = f"what {self.task_id}{place} returned"
        return unseal(argument, self.value, purpose, self.run, {self.task_id}, self.map_index)

    def unsealed_or_none(self, purpose: str) -> JsonObject | None:
        """The sealed value; None for what somebody edited."""
        try:
            return self.unsealed(purpose)
        except GateError:
            return None


def returned(
    session: Session, *conditions: ColumnElement[bool], part: str | int | None = None, key: str = XCOM_RETURN_KEY
) -> Iterator[tuple[int, Returned]]:
    """What tasks returned, with the number of the run, one after the other: together they can be 100 megabytes.

    Args:
        key: of another XCom that tasks left.
        part: only this field, or the item with this number, of each value; a value can have megabytes.
    """
    value = COLUMNS.value if part is None else COLUMNS.value[part]
    rows = session.execute(
        select(COLUMNS.dag_run_id, COLUMNS.dag_id, COLUMNS.run_id, COLUMNS.task_id, COLUMNS.map_index, value)
        .where(COLUMNS.key == key, *conditions)
        .order_by(COLUMNS.dag_run_id, COLUMNS.task_id, COLUMNS.map_index)
    )
    for number, dag_id, run_id, task_id, map_index, stored in rows:
        if stored is not None:
            yield number, Returned(f"{dag_id}/{run_id}", task_id, map_index, stored)
