"""What this process may use of the machine: cores and memory, including cgroup limits."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores by affinity and cgroup quota, at least 1."""
    import joblib

    return max(1, int(joblib.cpu_count()))


def memory() -> int:
    """Bytes of memory of the machine, or of the smallest cgroup around this process."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in [*_own_groups(), _CGROUPS / "memory/memory.limit_in_bytes"]:
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):  # missing, or "max"
            continue
    return min(limits)


def _own_groups() -> list[Path]:
    """Memory limit files of this process's cgroup (version 2) and of its ancestors."""
    try:
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return []
    folder = _CGROUPS / own.removeprefix("0::").strip("/")
    return [group / "memory.max" for group in (folder, *folder.parents) if group.is_relative_to(_CGROUPS)]
