"""Reads what is published and what is committed all the time, and knows which scores belong to which bytes."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import fault_runs
from fault_runs import LostError, Rows, WrongError

from airflow_batchscore.data.storage import Location


class Reader:
    """Reads what is published and what is committed all the time, as a thread, and counts what should not be there."""

    def __init__(self, folder: Path, output: str) -> None:
        self._folder, self._output = folder, output
        self.reads = self.wrong = self.lost = self.stale = 0
        self._seen: set[Path] = set()
        #: What a manifest says of its input -> the version that its rows are of.
        self._inputs: dict[str, int] = {}
        self._told: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._seen.clear()  # once more, as they lie there in the end
        self.look()

    def _loop(self) -> None:
        while not self._stop.wait(0.02):
            self.look()

    def look(self) -> None:
        self.reads += 1
        self._published()
        for path in sorted(set(self._folder.glob("staged/*/*/*/0*.json")) - self._seen):
            self._seen.add(path)
            self._held(str(path), partial(self._committed, path))

    def _held(self, what: str, check: Callable[[], None]) -> None:
        try:
            check()
        except LostError as error:
            self.lost += 1
            self._tell(f"lost: {what}: {error}")
        except Exception as error:
            self.wrong += 1
            self._tell(f"wrong: {what}: {type(error).__name__}: {error}")

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            print(message, file=sys.stderr, flush=True)

    def _committed(self, path: Path) -> None:
        from airflow_batchscore.scoring.manifest import Manifest

        manifest = Manifest.read(Location(str(path)))
        assert manifest is not None, "it never goes away"
        version, _ = fault_runs.origin(fault_runs.rows_of(manifest))
        named = json.dumps([asdict(file) for file in manifest.files])
        if self._inputs.setdefault(named, version) != version:
            raise WrongError(f"rows of version {version} for the bytes of version {self._inputs[named]}")

    def _published(self) -> None:
        newest: dict[str, int] = {}
        for told in fault_runs.publications(self._folder, "published"):
            for place in told["partitions"]:
                newest[place] = max(newest.get(place, 0), told["generation"])
        try:
            found = fault_runs.published(self._folder / self._output)
        except Exception as error:
            self.wrong += 1
            self._tell(f"wrong: {self._output} cannot be read: {type(error).__name__}: {error}")
            return
        begun = fault_runs.publications(self._folder, "publishing")
        for place in fault_runs.PARTITIONS:
            key = str(place)
            self._held(f"partition {key}", partial(self._right, key, found.get(key), newest.get(key, 0), begun))

    def _right(self, place: str, rows: Rows | None, newest: int, begun: Sequence[Mapping[str, Any]]) -> None:
        """Rows of a partition that somebody published, of the newest generation that is known to be published."""
        if rows is None:
            if newest:
                raise LostError("it is not published any more")
            return
        found = fault_runs.origin(rows)
        by_age = [
            (told["generation"], tuple(told["partitions"][place])) for told in begun if place in told["partitions"]
        ]
        if found not in {origin for _, origin in by_age}:
            raise WrongError(f"{found}, which nobody published")
        if found not in {origin for generation, origin in by_age if generation >= newest}:
            self.stale += 1
            self._tell(f"stale: partition {place} is {found}, older than {newest}")
