"""`clean_staging`: removes staged scores that nobody needs any more, by hand."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_batchscore.api.reach import usable
from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish import clean
from airflow_batchscore.publish.clean import DEFAULT_MIN_AGE_HOURS, Cleaned, Keep


def clean_staging(
    output_uri: str,
    *,
    published: str | Sequence[str],
    keep_days: float | None = None,
    keep_runs: int | None = None,
    min_age_hours: float = DEFAULT_MIN_AGE_HOURS,
    dry_run: bool = False,
    conn_id: str | None = None,
) -> Cleaned:
    """Remove staged scores, or say which would go; see `CleanStagingOperator`, whose ``only_report`` is `dry_run` here.

    Raises:
        InputError: it is not said what to keep, nothing is staged there, or an output does not exist.
        OutputError: an output cannot tell what it holds.
    """
    outputs = [published] if isinstance(published, str) else published
    return clean.clean_staging(
        usable(Location(output_uri, conn_id)),
        [usable(Location(output, conn_id)) for output in outputs],
        Keep(keep_days, keep_runs, min_age_hours),
        dry_run=dry_run,
    )
