"""``python -m airflow_batchscore``: the command line."""

from __future__ import annotations

import sys

from airflow_batchscore.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
