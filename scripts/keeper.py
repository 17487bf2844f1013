"""Runs a command for as long as the process that started this one lives, and leaves nothing of it behind.

    keeper.py COMMAND...    SIGTERM ends the command in order, SIGINT at once

The parent holds the other end of this process's standard input: however the parent ends, by kill -9 too, that end
closes. What the command's processes leave behind becomes a child of this one, which ends when it has none. If this
process is killed, its parent kills what it left (`home_lock.kill_processes`).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from processes import descendants
from signals import end_with_parent

_PR_SET_CHILD_SUBREAPER = 36
_SECONDS_TO_END = 15.0
_SECONDS_BETWEEN_LOOKS = 5.0


class Keeper:
    """Of one command.

    Attributes:
        asked: the signals that came.
        status: with which the command ended; None while it runs.
    """

    def __init__(self, command: list[str]) -> None:
        self.command = " ".join(command)
        self.asked: list[int] = []
        self.status: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self.asked.append(number))
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # If this process is killed, Airflow at least is told to end.
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=end_with_parent
        )
        self._ended: set[int] = set()
        self._looked = time.monotonic()

    def keep(self) -> int:
        """The command's status, or 0 if it was asked to end, or 1 if it lost a part."""
        try:
            return self._until_it_is_over()
        finally:
            self._end()

    def _until_it_is_over(self) -> int:
        while self._reaped() and self.status is None and not self.asked:
            if select.select([sys.stdin], [], [], 0.2)[0]:
                break
            if self._lost_a_part():
                said = f"a part of {self.command} has ended, so all of it is ended\n"
                with suppress(OSError):  # the disk of the log may be full
                    os.write(sys.stdout.fileno(), said.encode())
                return 1
        return self.status or 0

    def _end(self) -> None:
        self._send(signal.SIGTERM)
        end = time.monotonic() + _SECONDS_TO_END
        # Those outside the command's group have no parent any more once the group has ended.
        self._until_none_is_left(lambda: time.monotonic() > end or signal.SIGINT in self.asked or not self._send(0))
        while descendants(os.getpid()):
            for process in descendants(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            self._until_none_is_left(lambda: True)

    def _send(self, number: int) -> bool:
        """Send a signal to the command's process group; False if it has ended."""
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _until_none_is_left(self, given_up: Callable[[], bool]) -> None:
        while self._reaped() and not given_up():
            time.sleep(0.05)

    def _reaped(self) -> bool:
        """Whether there are children left, once those that have ended are gone."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._child.pid:
                    self._child.returncode = self.status = os.waitstatus_to_exitcode(ended[1])
            return True
        return False

    def _lost_a_part(self) -> bool:
        """Whether a process that the command started has ended unnoticed, as a part of `airflow standalone` does."""
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_LOOKS:
            return False
        self._looked = time.monotonic()
        before = self._ended
        below = descendants(self._child.pid)
        self._ended = {process.pid for process in below if process.state == "Z" and process.parent == self._child.pid}
        return bool(before & self._ended)


if __name__ == "__main__":
    sys.exit(Keeper(sys.argv[1:]).keep())
