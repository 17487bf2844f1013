"""A dataset with a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Small, small


@pytest.fixture
def fresh(tmp_path: Path) -> Small:
    """As `support.small` makes it."""
    return small(tmp_path)
