"""Code of a user's package that changes between two looks at it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_batchscore.model.functions import FunctionRef

Digest = Callable[..., str]
Notices = Callable[..., bool]


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


@pytest.fixture
def notices(digest: Digest) -> Notices:
    """Whether a change from `old` to `new` changes the digest of ``shop.recipe:features``.

    It is made in the source of that module and in that of ``shop.part.deep``, `deep`. The old source is digested twice,
    and must give the same both times.
    """
    package = "from . import deep\nfrom . import deep as other"

    def changed(source: str, deep: str = "", *, old: str = "1", new: str = "2") -> bool:
        assert old in source + deep
        before, again, after = (
            digest(source.replace(old, text), **{"part/__init__": package, "part/deep": deep.replace(old, text)})
            for text in (old, old, new)
        )
        assert again == before
        return after != before

    return changed
