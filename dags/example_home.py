"""Where the examples keep their data, models and results."""

from __future__ import annotations

import os

#: A folder of the worker's own user; each example has its own folder below it. Models in it may run code.
HOME = os.environ.get("BATCHSCORE_EXAMPLES", os.path.expanduser("~/batchscore-examples")).rstrip("/")

#: When the examples with a schedule run automatically; empty for never.
DAILY = os.environ.get("BATCHSCORE_EXAMPLE_SCHEDULE", "@daily") or None
