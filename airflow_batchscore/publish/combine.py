"""Publish: committed parts become one file, or a hive-partitioned folder.

Readers see the old publication or the new one. A partition whose scores have not changed is not touched, one that the
run did not score is kept, and an older publication never takes the place of a newer one (`order`).
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.apart import require_apart
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.file import FileTarget
from airflow_batchscore.publish.folder import partition_uri, publish_remote
from airflow_batchscore.publish.local_folder import publish_local
from airflow_batchscore.publish.parts import common_schema
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.scoring.manifest import Manifest


def combine(
    manifests: Sequence[Manifest],
    output_uri: str,
    conn_id: str | None = None,
    publication: Publication | None = None,
) -> dict[str, Any]:
    """Publish the scores of `manifests`.

    Args:
        manifests: read from storage, each with the connection it was read with.
        output_uri: ending in ``.parquet`` or ``.csv``: one file; else a folder.
        conn_id: connection of `output_uri`.
        publication: whose scores they are, and what may happen to what is there.

    Returns:
        ``{"output": uri, "rows": n, "partitions": n, "generation": n}`` of this run, the last being the highest order
        number that its publication has, and the keys of the partitions that were ``added``, ``replaced``, left
        ``unchanged`` (published before from the same manifest), ``kept`` (of a file: not of this run) and ``dropped``.

    Raises:
        GateError: there is nothing to publish, newer scores are published, or a part does not hold the rows its
            manifest says. Nothing was published.
        OutputError: a file of the data set would be replaced, partitions have different columns, a column is called
            like a partition field, or what is there cannot be replaced.
        OSError: storage failed; a retry goes on.
    """
    publication = publication or Publication()
    publication = replace(publication, began=publication.began or time.time_ns())
    _check(manifests, output_uri, publication)
    changes = _publish(manifests, output_uri, conn_id, publication)
    changes.log(output_uri)
    return {
        "output": output_uri,
        "partitions": len(manifests),
        "rows": sum(manifest.rows for manifest in manifests),
        "generation": changes.generation,
        **changes.to_dict(),
    }


def is_file(output_uri: str) -> bool:
    """Whether an output is one file."""
    return output_uri.endswith((".parquet", ".csv"))


def _check(manifests: Sequence[Manifest], output_uri: str, publication: Publication) -> None:
    if re.search(r"\.(csv|parquet)\.\w+$", output_uri):
        raise OutputError(f"{output_uri}: one file ends in .parquet (compressed inside) or .csv; nothing was published")
    if not manifests:
        raise GateError("there is no scored partition to publish")
    twice = [key for key, count in Counter(manifest.key for manifest in manifests).items() if count > 1]
    if twice:
        raise GateError(
            f"not published: there are several manifests of {', '.join(twice[:20])}; give each partition once"
        )
    keys = [manifest.key for manifest in manifests]
    written = [output_uri] if is_file(output_uri) else [partition_uri(output_uri, key) for key in keys]
    require_apart(manifests[0].dataset, written)
    _require_free_names(manifests[0])
    common_schema(manifests)
    if not any(manifest.rows for manifest in manifests) and not publication.allow_empty:
        raise GateError(
            f"not published: none of the {len(manifests)} partitions has a row. Find out why all were skipped or put "
            "into quarantine; allow_empty=True publishes them"
        )
    if publication.replace_all and not is_file(output_uri):
        raise OutputError(
            f"replace_all=True is for a single file; in the folder {output_uri} each partition is replaced by itself. "
            "Delete the folders of partitions that should go"
        )


def _require_free_names(manifest: Manifest) -> None:
    """Raises OutputError where a column has the name of a partition field: no reader tells the two apart."""
    both = sorted(set(manifest.partition) & set(manifest.schema))
    if both:
        raise OutputError(
            f"not published: {', '.join(both)} is the name of a partition field and of a column of the scores, so that "
            "the output could not be read. The field gives the value of every row: leave the column out of the keys or "
            "outputs, or give the field another name in the data set's template"
        )


def _publish(manifests: Sequence[Manifest], output_uri: str, conn_id: str | None, publication: Publication) -> Changes:
    if is_file(output_uri):
        return FileTarget(output_uri, conn_id, publication).publish(manifests)
    if storage.is_local(output_uri):
        return publish_local(manifests, output_uri, publication)
    return publish_remote(manifests, output_uri, conn_id, publication)
