"""Code of a user's package that changes between two looks at it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_batchscore.model.functions import FunctionRef

Digest = Callable[..., str]


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digest]:
    """The digest of ``shop.recipe:features`` of a package ``shop`` whose files are given, each without its suffix."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            del sys.modules[name]

    def of(*lines: str, **files: str) -> str:
        forget()
        for name, text in {"__init__": "", "recipe": "\n".join(lines), **files}.items():
            path = tmp_path / "shop" / f"{name}.py"
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text)
        importlib.invalidate_caches()
        return FunctionRef("shop.recipe:features").digest

    yield of
    forget()
