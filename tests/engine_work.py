"""Work for worker processes that a test kills."""

from __future__ import annotations

import os
import time
from pathlib import Path


def pid_and_sleep(folder: str) -> None:
    """Leave a mark with this process's id, then take long."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)
