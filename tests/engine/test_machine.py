from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_batchscore.engine import machine

pytestmark = pytest.mark.unit


def test_cores_follow_affinity() -> None:
    allowed = os.sched_getaffinity(0)
    assert 1 <= machine.cores() <= len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_memory_is_the_smallest_limit_around_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = machine.memory()
    assert 1 << 28 < whole <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    own = Path("/proc/self/cgroup").read_text().split("0::")[-1].split("\n")[0].strip("/") if _version_2() else ""
    (tmp_path / own).mkdir(parents=True, exist_ok=True)
    (tmp_path / own / "memory.max").write_text("max\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text(f"{1 << 29}\n")
    assert machine.memory() == 1 << 29
    if _version_2():
        (tmp_path / own / "memory.max").write_text(f"{1 << 28}\n")
        assert machine.memory() == 1 << 28


def _version_2() -> bool:
    return "0::" in Path("/proc/self/cgroup").read_text()
