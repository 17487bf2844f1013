"""What tells an environment that a task made, and can make again, from one that somebody else made."""

from __future__ import annotations

import shlex
from pathlib import Path

#: Beside its folder `bin`: the versions that were chosen.
VERSIONS = "versions.txt"


def again(python: str) -> str | None:
    """How to have the environment of an interpreter made again; None if no task made it."""
    home = Path(python).parent.parent
    if not (home / VERSIONS).is_file():
        return None
    return f"The next task makes the environment again if you remove it: rm -r {shlex.quote(str(home))}"
