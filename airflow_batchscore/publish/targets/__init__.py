"""Outputs: where scores are published. The end of the URI chooses the kind, and a folder is the kind without one.

To add a kind, see ``docs/adding/output.md``.
"""

from __future__ import annotations

import re

from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.entry_points import Door
from airflow_batchscore.errors import OutputError
from airflow_batchscore.model.functions import import_path
from airflow_batchscore.publish.targets.base import PublishTarget
from airflow_batchscore.publish.targets.csv_file import CsvTarget
from airflow_batchscore.publish.targets.folder import FolderTarget
from airflow_batchscore.publish.targets.parquet_file import ParquetTarget

__all__ = ["GROUP", "PublishTarget", "target_of"]

#: Entry points of other packages: suffix (``.sqlite``) -> class of a `PublishTarget`.
GROUP = "airflow_batchscore.targets"
_OWN: dict[str, type[PublishTarget]] = {".parquet": ParquetTarget, ".csv": CsvTarget}
#: What looks like a file of a kind that is not written, rather than a folder.
_FILE = re.compile(
    r"\.(csv|tsv|parquet|pq|orc|jsonl?|ndjson|avro|feather|arrow|xlsx?|sqlite|db)(\.\w+)?$", re.IGNORECASE
)
_DOOR = Door(GROUP, PublishTarget, OutputError, frozenset(_OWN))  # type: ignore[type-abstract]


def target_of(location: Location, table: Table | None = None) -> PublishTarget:
    """The output at `location`. Of several suffixes that fit, the longest counts; nothing is read or written.

    Args:
        table: the kind of table that the folder holds, whatever its name.

    Raises:
        OutputError: no target writes such files, two packages claim them, or the target cannot be used.
    """
    if table is not None:
        made: PublishTarget = import_path(table.publisher)(location, table)
        return made
    uri = location.uri
    own = next((suffix for suffix in _OWN if uri.endswith(suffix)), "")
    added = _DOOR.suffix_of(uri) or ""
    if len(added) > len(own):
        return _DOOR.make(added, f"{uri}: the output {added}", location)
    if own:
        return _OWN[own](location)
    if _FILE.search(uri):
        raise OutputError(
            f"{uri}: one file ends in .parquet (compressed inside) or .csv, and no installed package writes this kind. "
            "For a folder of this name, end the URI with a slash. Nothing was published"
        )
    return FolderTarget(location)
