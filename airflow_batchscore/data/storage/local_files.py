"""Private files and folders on a local (or mounted) disk, and how they get their names once they are complete."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path

#: Files appear by rename, so replacing one leaves readers of the old file undisturbed.
_TEMPORARY = ".tmp-"
#: For the machine's temporary folder, which other programs also use.
_SCRATCH = "batchscore-"
_OLD_SECONDS = 24 * 3600
#: Bytes of a file's name that its private name repeats; most file systems take 255 in all.
_MOST_OF_NAME = 100
#: Prefix that only `_private_name` produces: machine, process, its start, and something random.
_PRIVATE = re.compile(r"[0-9a-f]{12}-\d+-(\d+|none)-[0-9a-f]{8}-")


@contextmanager
def new_file_beside(target: Path) -> Iterator[Path]:
    """A private file beside `target`, on the same disk; removed when the block ends, unless it was renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent, _TEMPORARY)
    with _temporary(target, _TEMPORARY) as path:
        yield path


def take_free_place(path: Path, target: Path) -> bool:
    """Give a complete file its name unless a file has it; returns False if so. Of several at once, one wins."""
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
    """A private file in the machine's temporary folder, removed when the block ends."""
    folder = Path(tempfile.gettempdir())
    _sweep(folder, _SCRATCH)
    with _temporary(folder / "file", _SCRATCH) as path:
        yield path


@contextmanager
def private_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, on the same disk; removed with its contents when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _folder(target, _TEMPORARY) as path:
        yield path


def sweep(folder: Path) -> None:
    """Remove what killed processes left in `folder`, once in a process; nothing below it."""
    _sweep(folder, _TEMPORARY)


def is_private(name: str) -> bool:
    """Whether a file or folder has the name of one that was not complete."""
    return name.startswith(_TEMPORARY) and _PRIVATE.match(name.removeprefix(_TEMPORARY)) is not None


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder in the machine's temporary folder, removed with its contents when the block ends."""
    with _folder(Path(tempfile.gettempdir()) / "folder", _SCRATCH) as path:
        yield path


@contextmanager
def _folder(target: Path, prefix: str) -> Iterator[Path]:
    _sweep(target.parent, prefix)
    path = _private_name(target, prefix)
    path.mkdir(0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _temporary(target: Path, prefix: str) -> Iterator[Path]:
    """A new file beside `target`, private until complete; removed when the block ends."""
    path = _private_name(target, prefix)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield path
    finally:
        path.unlink(missing_ok=True)


def _private_name(target: Path, prefix: str) -> Path:
    """A name that no one else uses. Of a long one only the end is kept: with all of it, the name could be too long."""
    end = os.fsencode(target.name)[-_MOST_OF_NAME:].decode(errors="ignore")
    return target.with_name(f"{prefix}{_this_writer(os.getpid())}-{os.urandom(4).hex()}-{end}")


def settle(path: Path) -> None:
    """Flush to disk, with the permissions that the process's umask allows."""
    with open(path, "rb") as written:
        os.fsync(written.fileno())
        os.fchmod(written.fileno(), 0o666 & ~_umask())


@lru_cache(maxsize=1024)
def _sweep(folder: Path, prefix: str) -> None:
    """Remove incomplete files left by killed processes in `folder`; those of other machines and containers once old."""
    for path in folder.glob(f"{prefix}*"):
        name = path.name.removeprefix(prefix)
        if not _PRIVATE.match(name):  # somebody else's
            continue
        with suppress(OSError):
            machine, pid, _ = name.split("-", 2)
            here = machine == _machine()
            dead = here and not path.name.startswith(f"{prefix}{_writer(int(pid))}-")
            if dead or (not here and time.time() - path.stat().st_mtime > _OLD_SECONDS):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _writer(pid: int) -> str:
    """``<machine>-<pid>-<start>`` of a living process; a different string once it is dead, even if its id is reused."""
    try:
        start = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        start = "none"
    return f"{_machine()}-{pid}-{start}"


@cache
def _this_writer(pid: int) -> str:
    """`_writer` of this process, whose id changes when it forks."""
    return _writer(pid)


@cache
def _machine() -> str:
    """The scope in which process ids are unique: one boot of a kernel and, within it, a container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.sha256(f"{boot}{os.stat('/proc/self/ns/pid').st_ino}".encode()).hexdigest()[:12]
    except OSError:  # not Linux: files are removed once old
        return os.urandom(6).hex()


@cache
def _umask() -> int:
    """This process's umask, which can only be read by setting it, except on Linux."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("Umask:")).split()[1], 8)
    except (OSError, StopIteration):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask
