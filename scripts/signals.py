"""A script that ends what it started, whichever signal ends it."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def exit_on_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP raise SystemExit, so that `with` and `finally` do their work. One is enough."""
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _: FrameType | None) -> None:
        for other in ending:
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in ending:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, end)
