"""A script that ends what it started, whichever signal ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """This process gets SIGTERM when its parent ends, by SIGKILL too."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def exit_on_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP raise SystemExit, so that `with` and `finally` do their work. One is enough.

    What make started ends with make; what a shell started may outlive the shell.
    """
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _: FrameType | None) -> None:
        for other in ending:
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in ending:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, end)
    if "MAKELEVEL" in os.environ:
        parent = os.getppid()
        end_with_parent()
        if os.getppid() != parent:  # it ended just before, and no signal comes
            sys.exit(128 + signal.SIGTERM)
