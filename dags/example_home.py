"""Where the examples keep their data, models and results."""

from __future__ import annotations

import os
import tempfile

#: A folder; each example has its own below it.
HOME = os.environ.get("BATCHSCORE_EXAMPLES", f"{tempfile.gettempdir()}/batchscore").rstrip("/")

#: When the examples that have a schedule run by themselves; empty for never.
DAILY = os.environ.get("BATCHSCORE_EXAMPLE_SCHEDULE", "@daily") or None
