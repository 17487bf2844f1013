"""Runs a command of uv's that installs packages, and says every 15 s that it still does.

    installing.py COMMAND...

Needs no package: it runs before any is there. A line per installed package is left out.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import IO

_SECONDS_BETWEEN_LINES = 15


def main() -> int:
    began = time.monotonic()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for number in (signal.SIGTERM, signal.SIGHUP):  # an interrupt by the keyboard reaches both
        signal.signal(number, lambda number, _: process.send_signal(number))
    shown = threading.Thread(target=_show, args=[process.stdout])
    shown.start()
    while True:
        try:
            status = process.wait(_SECONDS_BETWEEN_LINES)
        except subprocess.TimeoutExpired:
            print(f"  still installing, {time.monotonic() - began:.0f} s", flush=True)
        except KeyboardInterrupt:  # uv has it too
            return 130
        else:
            shown.join()
            return status


def _show(lines: IO[str]) -> None:
    for line in lines:
        if not line.startswith((" + ", " - ", " ~ ")):
            print(f"  {line.strip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
