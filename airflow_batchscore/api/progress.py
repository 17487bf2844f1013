"""Shows the progress of a run by hand to a function of the caller's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from airflow_batchscore.scoring.tally import Count, Tally

log = logging.getLogger(__name__)

#: Called with what is done so far.
Progress: TypeAlias = Callable[[Count], object]

_SECONDS = 0.25


@contextmanager
def shown(tally: Tally, progress: Progress | None) -> Iterator[None]:
    """Call `progress` a few times a second in a thread of its own, and once more at the end.

    What it raises goes to the log and ends the calls: a display must not end the work.
    """
    if progress is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_show, args=(tally, progress, ended), name="batchscore-shown", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _show(tally: Tally, progress: Progress, ended: threading.Event) -> None:
    try:
        while not ended.wait(_SECONDS):
            progress(tally.count())
        progress(tally.count())
    except Exception:
        log.exception("progress= raised, and is not called again; scoring goes on")
