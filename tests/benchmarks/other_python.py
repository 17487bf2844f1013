"""What a model's own Python costs per task: the same partition scored in the task and in another process, in pairs.

usage: python other_python.py [--rounds N] [--python PATH]     with the development environment (.venv)

Each task is a fork of a process with the libraries imported, as LocalExecutor and Celery start them. The other Python is
the development environment's own unless PATH names one: so both sides run the same libraries on the same rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "operators")]
ROWS = 20_000


def seconds(data: object, python: str | None, number: int) -> tuple[float, float]:
    """Wall and CPU seconds of one task."""
    from operator_calls import planned, scored

    from airflow_batchscore import LocalDask

    (entry,) = planned(data, str(number), 1)  # type: ignore[arg-type]
    began = time.monotonic()
    child = os.fork()
    if not child:
        code = 1
        try:
            scored(data, entry, str(number), engine=LocalDask(workers=2, python=python), force=True)  # type: ignore[arg-type]
            code = 0
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, "the task failed"
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    from support import good_rows, small

    from airflow_batchscore.preload import preload

    preload()
    with tempfile.TemporaryDirectory() as folder:
        data = small(Path(folder))
        data.add(1, good_rows(ROWS, 1000))
        pairs = []
        for number in range(options.rounds + 1):
            sides = [(None, 2 * number), (options.python, 2 * number + 1)]
            if number % 2:
                sides.reverse()
            measured = {python: seconds(data, python, run) for python, run in sides}
            if number:  # the first round warms caches
                pairs.append((measured[None], measured[options.python]))
    for what, place in (("wall", 0), ("CPU", 1)):
        extra = sorted(there[place] - here[place] for here, there in pairs)
        here, there = (statistics.median(pair[side][place] for pair in pairs) for side in (0, 1))
        print(
            f"{what}: {here:.2f} s in the task, {there:.2f} s in another Python; "
            f"{statistics.median(extra):.2f} s more ({extra[0]:.2f} to {extra[-1]:.2f})"
        )
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {len(pairs)} pairs, {ROWS:,} rows")


if __name__ == "__main__":
    main()
