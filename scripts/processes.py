"""The processes of this machine, as /proc tells of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """`state` is a letter: R runs or wants to, D waits for the disk, S sleeps, T is stopped, Z has ended."""

    pid: int
    parent: int
    state: str

    @property
    def busy(self) -> bool:
        """Whether a thread of it wants the processor or the disk at this moment, whether it gets them or not."""
        with suppress(OSError):  # it has ended meanwhile
            return any(_of(path)[0] in "RD" for path in Path(f"/proc/{self.pid}/task").glob("*/stat"))
        return False


def descendants(root: int) -> list[Process]:
    """The children of a process, their children, and so on; without those that have ended and left children behind."""
    children: dict[int, list[Process]] = {}
    for process in _all():
        children.setdefault(process.parent, []).append(process)
    found, parents = [], [root]
    while parents:
        below = children.get(parents.pop(), [])
        found += below
        parents += [process.pid for process in below]
    return found


def alive(pid: int) -> bool:
    """Running, and not a zombie."""
    return _of(Path(f"/proc/{pid}/stat"))[0] != "Z"


def with_variable(name: str, value: str) -> list[int]:
    """The processes whose environment had this variable with this value when their program started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if os.fsencode(f"{name}={value}") in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _all() -> Iterator[Process]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        state, parent = _of(path)
        if parent:
            yield Process(int(path.parent.name), parent, state)


def _of(path: Path) -> tuple[str, int]:
    """State and parent of a process or thread; Z and 0 of one that has ended meanwhile."""
    with suppress(OSError):
        state, parent, *_ = path.read_text().rpartition(")")[2].split()
        return state, int(parent)
    return "Z", 0
