"""Files on a local (or mounted) disk that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path

from airflow_batchscore.data.store_errors import writing

#: Writing over an existing path keeps the reader of the old file whole: files appear by rename.
_TEMPORARY = ".tmp-"
#: In the machine's temporary folder, which other programs use, too.
_SCRATCH = "batchscore-"
_OLD_SECONDS = 24 * 3600
#: How names begin that only `_private_name` gives: machine, process, its start, and something random.
_PRIVATE = re.compile(r"[0-9a-f]{12}-\d+-(\d+|none)-[0-9a-f]{8}-")


@contextmanager
def atomic_file(target: Path, uri: str, take_place: Callable[[Path, Path], None] = os.replace) -> Iterator[Path]:
    """A path to write beside `target`, which is renamed onto it at the end of the block; `uri` is for messages.

    `take_place` is that last step, given both paths; it may decide otherwise, and the new file is removed.
    """
    with writing(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent, _TEMPORARY)
    with _temporary(target, uri) as path:
        yield path
        settle(path, uri)
        take_place(path, target)


def create(target: Path, data: bytes, uri: str) -> bool:
    """Write a small file unless there is one; False when there is. Of several processes at once one wins."""
    with writing(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent, _TEMPORARY)
    with _temporary(target, uri) as path:
        with writing(uri):
            path.write_bytes(data)
        settle(path, uri)
        return take_free_place(path, target)


def take_free_place(path: Path, target: Path) -> bool:
    """Give a whole file its name unless there is a file of it; False when there is. Of several at once one wins."""
    try:
        os.link(path, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if target.exists():
            return False
        os.replace(path, target)
    return True


@contextmanager
def scratch_file() -> Iterator[Path]:
    """A private file in the machine's temporary folder, gone at the end of the block."""
    folder = Path(tempfile.gettempdir())
    _sweep(folder, _SCRATCH)
    with _temporary(folder / "file", str(folder), _SCRATCH) as path:
        yield path


@contextmanager
def private_folder(target: Path, uri: str) -> Iterator[Path]:
    """A new folder beside `target`, on the same disk; at the end of the block it is gone with all that is in it."""
    with writing(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent, _TEMPORARY)
    path = _private_name(target, _TEMPORARY)
    with writing(uri):
        path.mkdir(0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _temporary(target: Path, uri: str, prefix: str = _TEMPORARY) -> Iterator[Path]:
    """A new file beside `target`, private until it is whole; at the end of the block it is gone."""
    path = _private_name(target, prefix)
    try:
        with writing(uri):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield path
    finally:
        path.unlink(missing_ok=True)


def _private_name(target: Path, prefix: str) -> Path:
    return target.with_name(f"{prefix}{_writer(os.getpid())}-{os.urandom(4).hex()}-{target.name}")


def settle(path: Path, uri: str) -> None:
    """On the disk, and for whom the process's umask allows it."""
    with writing(uri), open(path, "rb") as written:
        os.fsync(written.fileno())
        os.fchmod(written.fileno(), 0o666 & ~_umask())


@lru_cache(maxsize=1024)
def _sweep(folder: Path, prefix: str) -> None:
    """Remove what killed processes left half written in `folder`; of other machines and containers when it is old."""
    for path in folder.glob(f"{prefix}*"):
        with suppress(OSError, ValueError):
            machine, pid, _ = path.name.removeprefix(prefix).split("-", 2)
            here = machine == _machine()
            dead = here and not path.name.startswith(f"{prefix}{_writer(int(pid))}-")
            if dead or (not here and time.time() - path.stat().st_mtime > _OLD_SECONDS):
                if path.is_dir() and not path.is_symlink():
                    if _PRIVATE.match(path.name.removeprefix(prefix)):
                        shutil.rmtree(path)
                else:
                    path.unlink()


def _writer(pid: int) -> str:
    """``<machine>-<pid>-<start>`` of a living process; another text once it is dead, also when its id is used again."""
    try:
        start = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        start = "none"
    return f"{_machine()}-{pid}-{start}"


@cache
def _machine() -> str:
    """What process ids are unique in: a boot of a kernel, and in it a container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.sha256(f"{boot}{os.stat('/proc/self/ns/pid').st_ino}".encode()).hexdigest()[:12]
    except OSError:  # not Linux: files are removed when they are old
        return os.urandom(6).hex()


@cache
def _umask() -> int:
    """Of this process, which can be read only by setting it; on Linux without that."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("Umask:")).split()[1], 8)
    except (OSError, StopIteration):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask
