"""Publish to a folder on a disk: all partitions of a publication become visible in one step.

The new partitions are written first, by the workers of the publication's engine. Then, under the folder's lock, a tree
is built beside the folder, with hard links to the new files and all files that stay, and the two trees are swapped
(``renameat2`` with ``RENAME_EXCHANGE``). If the file system does not support that, the partitions are replaced one by
one.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.data.storage.errors import writing
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.changes import Changes, require_rows
from airflow_batchscore.publish.order import Order
from airflow_batchscore.publish.spread import on_workers
from airflow_batchscore.publish.stamp import PartitionStamp, Publication, require_other_columns
from airflow_batchscore.publish.targets.parquet_writer import write_partition
from airflow_batchscore.publish.targets.partition_files import (
    PARTITION_FILE,
    PartitionJob,
    PublishedFile,
    others_published,
    partition_file,
    published_of,
    stamps_of,
)
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

_ATTEMPTS = 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def publish_local(manifests: Sequence[Manifest], folder: Location, publication: Publication) -> Changes:
    """Publish the partitions of a run.

    Raises:
        GateError: newer scores are published, or a part differs from its manifest.
        OutputError: an existing file was not published by this package, or partitions with other fields are published.
        OSError: the disk failed, or others keep publishing.
    """
    real = folder.at(storage.real(folder.uri))
    root = Path(real.uri)
    order = Order.of_folder(real)
    wanted = [PartitionStamp.of(manifest, publication) for manifest in manifests]
    require_other_columns(wanted, folder.uri)
    names = {stamp.key: stamp.column_key for stamp in wanted}
    for _ in range(_ATTEMPTS):
        current = {stamp.key: published_of(real, stamp) for stamp in wanted}
        published = stamps_of(current)
        stamps = order.placed(wanted, published, publication)
        require_rows(stamps, published, folder.uri, publication)
        changes = Changes.between(published, stamps, keep=True)
        with storage.private_folder(real.uri) as new:
            moved = {*changes.added, *changes.replaced}
            jobs = [
                _Writing(path=_made(new / "new" / names[stamp.key]) / PARTITION_FILE, stamp=stamp, manifest=manifest)
                for stamp, manifest in zip(stamps, manifests, strict=True)
                if stamp.key in moved
            ]
            for _ in on_workers(publication, _write, jobs, remote=False):
                pass
            with swap.locked(real.uri):
                kept = others_published(real, stamps)
                if _is_unchanged(real, {names[key]: file for key, file in current.items()}):
                    order.placed(stamps, published, publication)
                    same = [stamp for stamp in stamps if stamp.key not in moved]
                    _put_in_place(root, new, sorted(names[key] for key in moved))
                    order.end([stamp for stamp in same if stamp.turn > published[stamp.key].turn])
                    return replace(changes, kept=kept)
        log.info("%s was published by another run in the meantime: reading it again", folder)
    raise OSError(f"{folder} is being published by other runs again and again; try again when they are done")


@dataclass(frozen=True, kw_only=True)
class _Writing(PartitionJob):
    """A partition to write, in a folder that exists."""

    path: Path


def _made(folder: Path) -> Path:
    with writing(str(folder)):
        folder.mkdir(parents=True)
    return folder


def _write(job: _Writing) -> None:
    if not job.path.parent.is_dir():
        raise OutputError(
            f"not published: {job.path.parent}, a folder beside the output, is not there on the worker that should "
            "write in it. The engine's workers need the output's disk at the same path; or publish in the task, with "
            "CombineOperator(engine=LocalDask())"
        )
    # By rename: a worker that was thought dead and wakes up must not change a file that is published already.
    with storage.atomic_file(Location(str(job.path))) as path:
        write_partition(path, job.stamp, job.manifest)


def _is_unchanged(folder: Location, seen: Mapping[str, PublishedFile]) -> bool:
    return all(swap.current(partition_file(folder, key)) == file.seen for key, file in seen.items())


def _put_in_place(root: Path, new: Path, keys: Sequence[str]) -> None:
    """Move partitions from ``new/new/`` to `root`, all at once if there are several."""
    if not keys:
        return
    if len(keys) == 1 or not _exchanged(root, new, keys):
        for key in keys:
            with writing(f"{root}/{key}"):
                (root / key).mkdir(parents=True, exist_ok=True)
                os.replace(new / "new" / key / PARTITION_FILE, root / key / PARTITION_FILE)


def _exchanged(root: Path, new: Path, keys: Sequence[str]) -> bool:
    """Build the new tree in ``new/tree/`` and swap it with `root`; False if the file system cannot."""
    tree = new / "tree"
    try:
        tree.mkdir()
        if root.exists():
            _link_tree(root, tree, {f"{key}/{PARTITION_FILE}" for key in keys})
        for key in keys:
            (tree / key).mkdir(parents=True, exist_ok=True)
            os.link(new / "new" / key / PARTITION_FILE, tree / key / PARTITION_FILE)
        if root.exists():
            _exchange(tree, root)
        else:
            os.rename(tree, root)
    except OSError as error:
        log.warning(
            "%s: the file system cannot replace the folder as a whole (%s). The partitions are replaced one by one: a "
            "reader sees some of them new and some old for a moment",
            root,
            error,
        )
        return False
    return True


def _link_tree(source: Path, target: Path, without: set[str]) -> None:
    """Hard-link all files of `source` into `target`, except some."""
    for folder, folders, names in os.walk(source):
        here = os.path.relpath(folder, source)
        copy = target if here == "." else target / here
        copy.mkdir(exist_ok=True)
        shutil.copystat(folder, copy)
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))]:
            if os.path.normpath(os.path.join(here, name)) not in without:
                os.link(os.path.join(folder, name), copy / name, follow_symlinks=False)


@cache
def _renameat2() -> Any:
    return ctypes.CDLL(None, use_errno=True).renameat2


def _exchange(one: Path, other: Path) -> None:
    """Swap two paths in one step. Raises OSError if that is not possible."""
    try:
        call = _renameat2()
    except AttributeError as error:  # not Linux, or an old C library
        raise OSError(f"there is no renameat2 ({error})") from error
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
