"""What a run leaves for people lies under the run: its reports, and the verdicts of its audits.

``<folder>/_runs/<dag_id>/<run_id>/`` below a published folder, ``_runs/<name>/<dag_id>/<run_id>/`` beside a published
file. ``latest.json`` in ``_runs`` points at the newest publication's report.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from airflow_batchscore.data import storage, swap
from airflow_batchscore.publish.combine import is_file
from airflow_batchscore.publish.report import facts_uri, write_report
from airflow_batchscore.scoring.manifest import Manifest

RUNS = "_runs"
#: A file's name has at most 255 bytes on most file systems, and these get an ending.
_LONGEST = 200
_LATEST = "latest.json"
#: How often the copy of the newest report is made again, when newer ones come meanwhile.
_ATTEMPTS = 20


def safe_name(text: str) -> str:
    """`text` as the name of a file or folder; a long one is cut, and told from others by a hash."""
    name = quote(text, safe="")
    if set(name) == {"."}:
        name = name.replace(".", "%2E")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def runs_folder(output_uri: str) -> str:
    """Where the runs that published at `output_uri` leave their reports."""
    if not is_file(output_uri):
        return storage.join(output_uri, RUNS)
    stem = re.sub(r"\.(parquet|csv)$", "", output_uri.rpartition("/")[2])
    return storage.beside(output_uri, RUNS, stem)


def staged_runs_folder(manifests: Sequence[Manifest]) -> str:
    """Where the runs that staged scores leave the verdicts of their audits: above the partitions' folders."""
    first = manifests[0]
    return storage.join(first.folder.rsplit("/", len(first.partition) + 1)[0], RUNS)


def run_place(folder: str, run: Mapping[str, str], task: str, name: str) -> str:
    """Where a task of a run leaves a file; `folder` is that of all runs, `name` is ``report.html`` and the like."""
    return storage.join(folder, safe_name(run["dag_id"]), safe_name(run["run_id"]), f"{safe_name(task)}.{name}")


def leave_report(
    manifests: Sequence[Manifest],
    summary: Mapping[str, Any],
    generation: int,
    task: str,
    conn_id: str | None,
    copy: tuple[str, str | None] | None = None,
) -> tuple[str, str, str]:
    """Write the report of a publication under its run, and make ``latest.json`` point at it if it is the newest.

    Args:
        summary: as `summarise` gives it.
        generation: the newest that was published.
        task: that writes it; a run can have several.
        conn_id: connection of the output.
        copy: URI, and its connection, of a page that is always the newest publication's.

    Returns:
        URIs of the page and of the JSON, and the SHA-256 of the page.
    """
    output, run = summary["output"], summary["run"]
    folder = runs_folder(output)
    page = run_place(folder, run, task, "report.html")
    with _no_exchange(output):
        facts, digest = write_report(manifests, summary, page, conn_id)
        pointer = {**run, "generation": generation, "report": page, "summary": facts}
        is_newest = _point_at(folder, pointer, conn_id)
    if copy is not None and is_newest:
        _copy_newest(folder, conn_id, *copy)
    return page, facts, digest


def _copy_newest(folder: str, conn_id: str | None, copy: str, copy_conn_id: str | None) -> None:
    """Copy the report that ``latest.json`` points at, until it points at that afterwards, too.

    No lock reaches over the copy and the pointer, which can lie in two stores. So whoever writes the copy last looks
    last, and a run that was slow to write its own puts that of a newer one back.
    """
    copied: dict[str, Any] | None = None
    for _ in range(_ATTEMPTS):
        _, newest = swap.read_json(storage.join(folder, _LATEST), conn_id)
        sources = [newest["report"], newest["summary"]]
        if newest == copied or not all(storage.is_within(source, folder) for source in sources):
            return
        for source, target in zip(sources, (copy, facts_uri(copy)), strict=True):
            storage.write_bytes(target, storage.read_bytes(source, conn_id), copy_conn_id)
        copied = newest


@contextmanager
def _no_exchange(output_uri: str) -> Iterator[None]:
    """Write into a published folder on a disk while no publication exchanges it, which could lose what is written."""
    if is_file(output_uri) or not storage.is_local(output_uri):
        yield
    else:
        with swap.locked(storage.real(output_uri)):
            yield


def _point_at(folder: str, pointer: Mapping[str, Any], conn_id: str | None) -> bool:
    """False when ``latest.json`` points at a newer publication."""

    def change(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return None if value.get("generation", 0) > pointer["generation"] else pointer

    return swap.change_json(storage.join(folder, _LATEST), change, conn_id)
