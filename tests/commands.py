"""Commands that tests run: a list of words that a test wrote, never a shell's line."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def run_command(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end; options are those of `subprocess.run`."""
    return subprocess.run(command, **options)


def start_command(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
    """Start a command; options are those of `subprocess.Popen`."""
    return subprocess.Popen(command, **options)
