"""Kill stages at random instants, retry them, and count what should never happen.

usage: python harness.py [--kills N] [--stops N] [--seed N] [--out FILE.md]

N kills for each row of the first table, at least, and N kills and stops for each of the second (`interleavings`).

After each kill: no process of the attempt may be left within 15 s, no part that was there may be written again, and
everything that a reader could open must be whole. After each series the stage runs to its end, and its result must be
that of an undisturbed run, byte for byte.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import interleavings
import stage
import table_reader
from attempts import (
    GROUP,
    SUPERVISOR,
    TASK,
    TIMEOUT,
    WORKER,
    Attempt,
    Server,
    left_over,
    strike,
    wait_until,
    workers_of,
)

from airflow_batchscore.data.storage import Location

ANY = "SIGKILL or SIGTERM"
#: Part -> what changes when it is written again.
Stamps = dict[str, tuple[int, int]]


@dataclass
class Row:
    """One line of the table: what was done to which stage, and what came of it."""

    stage: str
    fault: str
    kills: int = 0
    survived: int = 0
    left_over: int = 0
    rescored: int = 0
    corrupt: int = 0
    reads: int = 0

    @property
    def clean(self) -> bool:
        """All survived, and nothing happened that never should."""
        return self.survived == self.kills > 0 and not (self.left_over or self.rescored or self.corrupt)


def begin(
    server: Server, stage: str, folder: Path, fault: str, within: float, chance: random.Random
) -> tuple[Attempt, Stamps | None]:
    """Start an attempt and strike it at a random instant.

    Returns it, and the parts that were there at that instant; None when it had ended before.
    """
    timeout = chance.uniform(0.002, within) if fault == TIMEOUT else 0
    # A worker is killed when the cluster is up and at work, which needs more of it.
    attempt = server.start(stage, folder, seconds=timeout, block_seconds=0.15 if fault == WORKER else 0.02)
    wait_until(lambda: attempt.task is not None or attempt.ended())
    if timeout:
        assert attempt.wait(60)
        return attempt, None if attempt.status == 0 else {}
    if fault == WORKER:
        wait_until(lambda: len(workers_of(attempt.pid)) >= 2 or attempt.ended())
        wait_until(lambda: bool(parts(folder)) or attempt.ended())
    time.sleep(chance.uniform(0, within))
    there = parts(folder)
    return attempt, there if not attempt.ended() and strike(attempt, fault, chance) else None


# -- scoring ------------------------------------------------------------------
def prepare(folder: Path, partitions: int = 1, rows: int = stage.BLOCKS * stage.BLOCK_ROWS) -> Path:
    """Data to train on (two versions) and to score."""
    folder.mkdir(parents=True, exist_ok=True)
    for version in (1, 2):
        _write(folder / f"train_{version}.csv", 200, bias=version)
    for partition in range(1, partitions + 1):
        _write(folder / f"part_{partition}.csv", rows, bias=1)
    return folder


def _write(path: Path, rows: int, bias: int) -> None:
    lines = [f"{10_000 + n},{(n % 17) / 4},{n % 7},{int((n % 17) / 4 > n % 7 + bias - 1)}" for n in range(rows)]
    path.write_text("\n".join(["id,a,b,label", *lines]) + "\n")


def parts(folder: Path) -> Stamps:
    """Every part that is there."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.glob("staged/*/*/part-*.parquet")
    }


def part_bytes(folder: Path) -> dict[str, bytes]:
    """Content of every part."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("staged/*/*/part-*.parquet")}


def scoring(server: Server, kills: int, chance: random.Random, *, name: str, fault: str) -> Row:
    """Kill the scoring of a partition of 40 blocks and more, again and again, until it is done; then once more."""
    row = Row(f"score in {name}", fault)
    with _folder() as folder:
        prepare(folder)
        stage.train(folder)
        assert server.finish("threads", folder), (folder / "log.txt").read_text()[-3000:]
        expected = part_bytes(folder)  # in processes they are the same
        assert len(expected) >= stage.BLOCKS
        while row.kills < kills:
            shutil.rmtree(folder / "staged")
            series, done = 0, False
            while not done and row.kills + series < kills:
                before = parts(folder)
                attempt, struck = begin(server, name, folder, fault, 0.5, chance)
                row.left_over += left_over(attempt)
                row.rescored += _written_again(folder, {**(struck or {}), **before})
                row.corrupt += _half_manifests(folder)
                series += struck is not None
                done = attempt.status == 0
            before = parts(folder)
            ended = done or server.finish(name, folder)
            row.rescored += _written_again(folder, before)
            row.kills += series
            if ended and part_bytes(folder) == expected and len(list(folder.glob("staged/*/*/manifests/*.json"))) == 1:
                row.survived += series
    return row


def _written_again(folder: Path, before: Stamps) -> int:
    after = parts(folder)
    return sum(after.get(part) != stamp for part, stamp in before.items())


def _half_manifests(folder: Path) -> int:
    """Manifests that are there and not whole."""
    from airflow_batchscore.errors import BatchScoreError
    from airflow_batchscore.scoring.manifest import Manifest

    wrong = 0
    for path in folder.glob("staged/*/*/manifests/*.json"):
        try:
            wrong += Manifest.read(Location(str(path))) is None
        except BatchScoreError:
            wrong += 1
    return wrong


# -- training -----------------------------------------------------------------
def training(server: Server, kills: int, chance: random.Random, *, name: str, fault: str) -> Row:
    """Kill the training of two versions in turns while a reader resolves and loads what the alias names."""
    from airflow_batchscore.model import artifact
    from airflow_batchscore.model.reference import resolve

    row = Row("train and promote", fault)
    with _folder() as folder:
        prepare(folder)
        stage.train(folder, 1)

        def read() -> None:
            artifact._loaded.clear()  # read it, whether it was read before or not
            artifact.load(resolve(f"{folder}/model@champion"))

        with _reader(row, read):
            while row.kills < kills:
                version = 1 + row.kills % 2
                (folder / "wanted.json").write_text(json.dumps(version))
                digest = resolve(f"{folder}/model@champion").digest
                for path in folder.glob("model/*/model.json"):  # so that there is something to do
                    if json.loads(path.read_text())["digest"] != digest:
                        shutil.rmtree(path.parent)
                attempt, struck = begin(server, name, folder, fault, 0.15, chance)
                row.left_over += left_over(attempt)
                row.kills += struck is not None
                row.survived += struck is not None and server.finish(name, folder)
    return row


# -- publication --------------------------------------------------------------
def publishing(server: Server, kills: int, chance: random.Random, *, name: str, fault: str) -> Row:
    """Publish two versions of the scores in turns; a reader must find one of them whole in every file."""
    import pyarrow.parquet as pq

    row = Row(f"publish to a {name}", fault)
    with _folder() as folder:
        prepare(folder, partitions=stage.PARTITIONS, rows=50_000)
        wanted = []
        for version in (1, 2):
            ref = stage.train(folder, version)
            manifests = stage.score(folder, list(range(1, stage.PARTITIONS + 1)), ref, False, block_rows=10_000)
            wanted.append([manifest.uri for manifest in manifests])
        results: list[set[bytes]] = []
        for uris in wanted:
            (folder / "wanted.json").write_text(json.dumps(uris))
            assert server.finish(name, folder), (folder / "log.txt").read_text()[-3000:]
            results.append({path.read_bytes() for path in _published(folder, name)})
        whole = results[0] | results[1]

        def read() -> None:
            for path in _published(folder, name):
                data = path.read_bytes()
                if data not in whole:
                    pq.read_table(path)  # says what is wrong with it
                    raise ValueError(f"{path} is neither the old file nor the new one")

        with _reader(row, read):
            while row.kills < kills:
                place = row.kills % 2
                (folder / "wanted.json").write_text(json.dumps(wanted[place]))
                attempt, struck = begin(server, name, folder, fault, 0.25, chance)
                row.left_over += left_over(attempt)
                row.kills += struck is not None
                if struck is not None and server.finish(name, folder):
                    row.survived += {path.read_bytes() for path in _published(folder, name)} == results[place]
    return row


def tabling(server: Server, kills: int, chance: random.Random, *, name: str, fault: str) -> Row:
    """Publish two versions of the scores in turns to a table, killed in every way; a reader must find one of them."""
    row = Row(f"publish to {'an Iceberg' if name == 'iceberg' else 'a Delta'} table", fault)
    with _folder() as folder:
        if name == "iceberg":
            table_reader.create_namespace(folder)
        wanted, results = _two_versions(), []
        for uris in wanted:
            (folder / "wanted.json").write_text(json.dumps(uris))
            assert server.finish(name, folder), (folder / "log.txt").read_text()[-3000:]
            results.append(table_reader.content(name, folder))
        assert results[0] != results[1]

        def read() -> None:
            if table_reader.content(name, folder) not in results:
                raise ValueError("the table is neither the old version nor the new one")

        with _reader(row, read):
            while row.kills < kills:
                place = row.kills % 2
                (folder / "wanted.json").write_text(json.dumps(wanted[place]))
                attempt, struck = _struck_at_work(server, name, folder, chance)
                row.left_over += left_over(attempt)
                row.kills += struck
                if struck and server.finish(name, folder):
                    row.survived += table_reader.content(name, folder) == results[place]
    return row


@cache
def _two_versions() -> list[list[str]]:
    """Manifests of the scores by two versions of the model, which all tables share; they are removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="batchscore-faults-"))
    atexit.register(shutil.rmtree, folder)
    prepare(folder, partitions=stage.PARTITIONS, rows=20_000)
    wanted = []
    for version in (1, 2):
        ref = stage.train(folder, version)
        manifests = stage.score(folder, list(range(1, stage.PARTITIONS + 1)), ref, False, block_rows=10_000)
        wanted.append([manifest.uri for manifest in manifests])
    return wanted


def _struck_at_work(server: Server, name: str, folder: Path, chance: random.Random) -> tuple[Attempt, bool]:
    """An attempt that is killed when it has begun to write, three times of four: data files, record and commit are
    written within moments, long after it has started. False if it had ended before."""

    def files() -> int:
        return sum(len(names) for _, _, names in os.walk(folder / "out"))

    before, attempt = files(), server.start(name, folder)
    wait_until(lambda: attempt.task is not None or attempt.ended())
    if chance.random() < 0.75:
        wait_until(lambda: files() > before or attempt.ended())
    time.sleep(chance.uniform(0, 0.25))
    return attempt, not attempt.ended() and strike(attempt, chance.choice([TASK, SUPERVISOR, GROUP]), chance)


def _published(folder: Path, name: str) -> list[Path]:
    return [folder / "out.parquet"] if name == "file" else sorted(folder.glob("out/*/scores.parquet"))


@contextmanager
def _reader(row: Row, read: Callable[[], None]) -> Iterator[None]:
    """Reads in a loop meanwhile; what it cannot read counts as corrupt."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(0.01):
            row.reads += 1
            try:
                read()
            except Exception as error:
                row.corrupt += 1
                print(f"corrupt read: {type(error).__name__}: {error}", file=sys.stderr)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="batchscore-faults-") as name:
        yield Path(name)


_EACH = {TASK: 1.0, SUPERVISOR: 0.5, GROUP: 0.5, TIMEOUT: 0.5}
_STAGES: dict[str, tuple[Callable[..., Row], dict[str, float]]] = {
    "threads": (scoring, {TASK: 1.0, SUPERVISOR: 1.0, GROUP: 1.0, TIMEOUT: 1.0}),
    "processes": (scoring, {**_EACH, WORKER: 1.0}),
    "train": (training, _EACH),
    "file": (publishing, _EACH),
    "folder": (publishing, _EACH),
    # A hundred each.
    "delta": (tabling, {ANY: 3.4}),
    "iceberg": (tabling, {ANY: 3.4}),
}
#: Name -> (share of the kills, what runs it with a server, a number of kills and a generator of instants).
CASES: dict[str, tuple[float, Callable[[Server, int, random.Random], Row]]] = {
    f"{name}: {fault}": (share, partial(run, name=name, fault=fault))
    for name, (run, faults) in _STAGES.items()
    for fault, share in faults.items()
}


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| stage | fault | kills | survived | left-over processes | blocks scored twice | corrupt reads (of reads) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.stage} | {row.fault} | {row.kills} | {row.survived} | {row.left_over} | {row.rescored} | "
        f"{row.corrupt}{f' ({row.reads:,})' if row.reads else ''} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--stops", type=int, default=70)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    rows, began = [], time.monotonic()
    with Server() as server:
        for number, (name, (share, run)) in enumerate(CASES.items()):
            if asked.only in name:
                kills = max(1, round(asked.kills * share))
                rows.append(run(server, kills, random.Random(1000 * asked.seed + number)))
                print(f"{time.monotonic() - began:5.0f} s  {rows[-1]}", flush=True)
        runs = []
        for number, output in enumerate(interleavings.OUTPUTS):
            if asked.only in f"interleaved: {output}":
                chance = random.Random(1000 * asked.seed + number)
                runs.append(interleavings.interleaved(server, output, asked.stops, chance))
                print(f"{time.monotonic() - began:5.0f} s  {runs[-1]}", flush=True)
    faults = sum(row.kills for row in rows) + sum(row.faults for row in runs)
    minutes = (time.monotonic() - began) / 60
    text = f"{table(rows)}\n\n{interleavings.table(runs)}\n\n{faults} kills and stops in {minutes:.0f} min.\n"
    print(f"\n{text}")
    if asked.out:
        asked.out.write_text(text)
    return 0 if all(row.clean for row in [*rows, *runs]) else 1


if __name__ == "__main__":
    sys.exit(main())
