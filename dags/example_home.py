"""Where the examples keep their data, models and results."""

from __future__ import annotations

import os
import tempfile

#: A folder; each example has its own below it.
HOME = os.environ.get("BATCHSCORE_EXAMPLES", f"{tempfile.gettempdir()}/batchscore").rstrip("/")
