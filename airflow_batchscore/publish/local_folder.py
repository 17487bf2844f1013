"""Publish to a folder on a disk: all partitions of a publication become visible in one step.

The new partitions are written first. Then, under the folder's lock, a tree is built beside the folder, of hard links
to all files that stay and of the new ones, and the two trees change places (``renameat2`` with ``RENAME_EXCHANGE``). On
a file system that cannot do that the partitions are replaced one by one.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from airflow_batchscore.data import local, storage, swap
from airflow_batchscore.data.store_errors import writing
from airflow_batchscore.publish.changes import Changes, require_rows
from airflow_batchscore.publish.folder import PARTITION_FILE, Found, look, require_same_fields, stamps_of
from airflow_batchscore.publish.order import Order
from airflow_batchscore.publish.parquet_file import write_partition
from airflow_batchscore.publish.stamp import Publication, Stamp
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

_ATTEMPTS = 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def publish_local(manifests: Sequence[Manifest], folder: str, publication: Publication) -> Changes:
    """Publish the partitions of a run.

    Raises:
        GateError: newer scores are published, or a part is not what its manifest says.
        OutputError: a file that is there was not published by this package, or partitions with other fields are.
        OSError: the disk failed, or others publish all the time.
    """
    uri = storage.real(folder)
    root = Path(uri)
    order = Order.of_folder(uri, None)
    wanted = [Stamp.of(manifest, publication) for manifest in manifests]
    for _ in range(_ATTEMPTS):
        found = {stamp.key: look(uri, stamp.key, None) for stamp in wanted}
        published = stamps_of(found)
        stamps = order.placed(wanted, published, publication)
        require_rows(stamps, published, folder, publication)
        changes = Changes.between(published, stamps, keep=True)
        with local.private_folder(root, uri) as new:
            moved = {*changes.added, *changes.replaced}
            for stamp, manifest in zip(stamps, manifests, strict=True):
                if stamp.key in moved:
                    _write(new / "new" / stamp.key / PARTITION_FILE, stamp, manifest)
            with swap.locked(uri):
                require_same_fields(uri, stamps)
                if _is_as_found(uri, found):
                    order.placed(stamps, published, publication)
                    same = [stamp for stamp in stamps if stamp.key not in moved]
                    _put_in_place(root, new, sorted(moved))
                    order.end([stamp for stamp in same if stamp.turn > published[stamp.key].turn])
                    return changes
        log.info("%s was published by another run meanwhile: looking at it again", folder)
    raise OSError(f"{folder} is published by other runs all the time; try again when they are done")


def _write(path: Path, stamp: Stamp, manifest: Manifest) -> None:
    with writing(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_partition(path, stamp, manifest)
    local.settle(path, str(path))


def _is_as_found(uri: str, found: Mapping[str, Found]) -> bool:
    return all(swap.look(storage.join(uri, key, PARTITION_FILE)) == one.seen for key, one in found.items())


def _put_in_place(root: Path, new: Path, keys: Sequence[str]) -> None:
    """Move partitions from ``new/new/`` to `root`, all at once where there are several."""
    if not keys:
        return
    if len(keys) == 1 or not _exchanged(root, new, keys):
        for key in keys:
            with writing(f"{root}/{key}"):
                (root / key).mkdir(parents=True, exist_ok=True)
                os.replace(new / "new" / key / PARTITION_FILE, root / key / PARTITION_FILE)


def _exchanged(root: Path, new: Path, keys: Sequence[str]) -> bool:
    """Build the new tree in ``new/tree/`` and exchange it for `root`; False where the file system cannot."""
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
    """Hard links in `target` to all files of `source`, except some."""
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
    """Let two paths change places in one step. Raises OSError where that is not possible."""
    try:
        call = _renameat2()
    except AttributeError as error:  # not Linux, or an old C library
        raise OSError(f"there is no renameat2 ({error})") from error
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
