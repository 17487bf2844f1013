"""Packages that add something by entry point, as pip leaves them on the import path."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from airflow_batchscore import entry_points
from airflow_batchscore.data.storage import Location


class Install(Protocol):
    """`install`, where the folder and the group are settled."""

    def __call__(self, name: str, **points: str) -> Path: ...


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, group: str, points: dict[str, str]) -> Path:
    """Install the package `name` into `folder` with the entry points name -> import path; returns its metadata."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{point} = {path}" for point, path in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(folder))
    entry_points._offered.cache_clear()
    return info


def no_target(location: Location) -> str:
    """What a package may register by mistake."""
    return location.uri
