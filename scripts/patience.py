"""Waits without a limit for as long as something moves."""

from __future__ import annotations

import time
from collections.abc import Callable

from processes import descendants

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_LOOKS = 0.5
#: Of the looks at its processes: an Airflow without work is found busy in fewer, whatever else the machine does.
_BUSY_SHARE = 0.25


class Patience:
    """Something moves when there are news, or when processes want the processor or the disk.

    Whether they get them does not count: on a busy machine all takes longer, and is waited for.

    Args:
        root: its descendants are looked at.
        still: seconds without movement after which it ends.
        say: is given a line about every ten seconds.
    """

    def __init__(self, root: int, still: float, say: Callable[[str], None]) -> None:
        self._root = root
        self._still = still
        self._say = say
        self._news: object = None
        self._said = time.monotonic()
        self._looks = self._busy = 0

    def wait(self, reason: str, news: object = None) -> bool:
        """Wait a moment; False if nothing has moved for long.

        Args:
            reason: what is waited for.
            news: what is known of it, which changes as it goes on.
        """
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        now = time.monotonic()
        below = descendants(self._root)
        self._looks += 1
        at_work = sum(process.busy for process in below)
        self._busy += at_work > 0
        if news != self._news:
            self._news = news
            self._said = now  # who has news tells them
            self._start_anew()
        if now - self._said > _SECONDS_BETWEEN_LINES:
            self._said = now
            self._say(f"{reason} (processes: {len(below)}, at work: {at_work})")
        if self._looks * _SECONDS_BETWEEN_LOOKS < self._still:  # a clock would count while this process is stopped, too
            return True
        moves = self._busy >= _BUSY_SHARE * self._looks
        self._start_anew()
        return moves

    def _start_anew(self) -> None:
        self._looks = self._busy = 0
