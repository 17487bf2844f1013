"""The keys of partitions in Airflow's asset events, and which tasks raise an event for each of them.

See docs/decisions/0036-asset-partitions.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable

from airflow_batchscore.compat import has_partition_events, installed_airflow
from airflow_batchscore.data.pattern import Values, partition_key, shown
from airflow_batchscore.data.request import parse_request
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.authored import dag_of

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

#: Airflow's limit for a partition key, in characters.
_LONGEST_KEY = 250


def event_key(values: Values) -> str:
    """A partition's key in asset events: its value if it has one field, otherwise ``country=DE/year=2020``.

    ``partitions=`` of the operators takes it as it is. A value that means something else there, such as ``a,b`` or
    ``2000..2016``, is written ``field=a%2Cb``, and two dots ``%2E%2E``.
    """
    key = partition_key(values).replace(" ", "%20").replace("..", "%2E%2E")  # a range names other partitions
    if len(values) != 1:
        return key
    (value,) = values.values()
    return value if _means(value, values) else key


def _means(text: str, values: Values) -> bool:
    try:
        return parse_request(text, list(values)) == [values]
    except InputError:
        return False


def require_event_keys(partitions: Iterable[Values]) -> None:
    """Raise InputError for a partition whose key is longer than Airflow stores."""
    for values in partitions:
        key = event_key(values)
        if len(key) > _LONGEST_KEY:
            raise InputError(
                f"partition {shown(partition_key(values))[:120]}...: its key in asset events has {len(key)} "
                f"characters, and Airflow takes {_LONGEST_KEY}. Give its files a shorter name"
            )


def require_partition_events(what: str) -> None:
    """Raise InputError in an Airflow whose tasks cannot raise an event for each partition."""
    if not has_partition_events():
        raise InputError(
            f"{what} needs Airflow 3.3, where a task can raise an asset event for each partition, and this is "
            f"{installed_airflow()}: upgrade Airflow, or leave it out of the DAG"
        )


def raises_partition_events(operator: BaseOperator, context: Context, asked: bool | None) -> bool:
    """Whether a task raises an event for each partition that it changed.

    Args:
        asked: by the DAG's author. None: yes in a run without a key of a DAG whose schedule is about partitions.
            Where the run has a key, Airflow puts it on every event of the run.
    """
    if not has_partition_events():
        return False
    return _is_keyless(operator, context) if asked is None else asked


def _is_keyless(operator: BaseOperator, context: Context) -> bool:
    if getattr(context["dag_run"], "partition_key", None):
        return False
    dag = dag_of(operator)
    timetable = dag.timetable if dag else None
    return (
        isinstance(timetable, (CronPartitionTimetable, PartitionedAssetTimetable))
        or getattr(timetable, "partitioned_at_runtime", False)
        or getattr(timetable, "partitioned", False)
    )
