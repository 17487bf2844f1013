"""Kill stages at random instants, retry them, and count what should never happen.

usage: python harness.py [--kills N] [--seed N] [--out FILE.md]      N kills for each row of the table, at least

Every attempt is a process in a session of its own. After each kill: no process of the session may be left within 15 s,
no part that was there may be written again, and everything that a reader could open must be whole. After each series
the stage runs to its end, and its result must be that of an undisturbed run, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import stage  # noqa: E402

_LEFT_SECONDS = 15.0


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


# -- processes ----------------------------------------------------------------
def start(name: str, folder: Path, *, seconds: float = 0, block_seconds: float = 0.02) -> subprocess.Popen[bytes]:
    """An attempt, in a session of its own as Airflow's supervisor gives its tasks a process group of their own."""
    environment = {
        **os.environ,
        "STAGE_BLOCK_SECONDS": str(block_seconds),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    command = [sys.executable, str(HERE / "stage.py"), name, str(folder), str(seconds)]
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def session_of(leader: int) -> list[int]:
    """Living processes of a session, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            except OSError:
                continue
            if int(session) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def left_over(leader: int) -> int:
    """Processes of the session that are still there after 15 s; they are killed then."""
    end = time.monotonic() + _LEFT_SECONDS
    while session_of(leader) and time.monotonic() < end:
        time.sleep(0.02)
    left = session_of(leader)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return len(left)


def workers_of(leader: int) -> list[int]:
    """Dask's worker processes; they call themselves so once they are up, where setproctitle is installed."""
    found = []
    for pid in session_of(leader):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"spawn_main" in line or line.startswith(b"dask worker"):
                found.append(pid)
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds} s")
        time.sleep(0.005)


def strike(attempt: subprocess.Popen[bytes], fault: str, chance: random.Random) -> bool:
    """Do it; False when there was nothing left to do it to."""
    if attempt.poll() is not None:
        return False
    if fault == "SIGKILL of the task":
        attempt.send_signal(signal.SIGKILL)
    elif fault == "SIGTERM to the group, as Airflow":
        os.killpg(attempt.pid, signal.SIGTERM)
        try:
            attempt.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(attempt.pid, signal.SIGKILL)
    elif fault == "SIGKILL of a Dask worker":
        workers = workers_of(attempt.pid)
        if not workers:
            return False
        os.kill(chance.choice(workers), signal.SIGKILL)
    attempt.wait(120)
    return True


def begin(
    name: str, folder: Path, fault: str, within: float, chance: random.Random
) -> tuple[subprocess.Popen[bytes], bool]:
    """Start an attempt and strike it at a random instant; returns it ended, and whether it was struck."""
    timeout = chance.uniform(0.02, within) if fault == "execution timeout" else 0
    # A worker is killed when the cluster is up and at work, which needs more of it.
    block_seconds = 0.15 if fault == "SIGKILL of a Dask worker" else 0.02
    attempt = start(name, folder, seconds=timeout, block_seconds=block_seconds)
    ready = folder / f"ready-{attempt.pid}"
    wait_until(lambda: ready.exists() or attempt.poll() is not None)
    if timeout:
        return attempt, attempt.wait(60) != 0
    if fault == "SIGKILL of a Dask worker":
        wait_until(lambda: len(workers_of(attempt.pid)) >= 2 or attempt.poll() is not None)
        wait_until(lambda: bool(parts(folder)) or attempt.poll() is not None)
    time.sleep(chance.uniform(0, within))
    return attempt, strike(attempt, fault, chance)


def finish(name: str, folder: Path) -> bool:
    """An undisturbed attempt: did it end well?"""
    attempt = start(name, folder, block_seconds=0)
    return attempt.wait(120) == 0 and left_over(attempt.pid) == 0


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


def parts(folder: Path) -> dict[str, tuple[int, int]]:
    """What tells that a part was written again."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.glob("staged/*/*/part-*.parquet")
    }


def part_bytes(folder: Path) -> dict[str, bytes]:
    """Content of every part."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("staged/*/*/part-*.parquet")}


def scoring(name: str, fault: str, kills: int, chance: random.Random) -> Row:
    """Kill the scoring of a partition of 40 blocks and more, again and again, until it is done; then once more."""
    row = Row(f"score in {name}", fault)
    with _folder() as folder:
        prepare(folder)
        stage.train(folder)
        assert finish(name, folder), (folder / "log.txt").read_text()[-3000:]
        expected = part_bytes(folder)
        assert len(expected) >= stage.BLOCKS
        while row.kills < kills:
            shutil.rmtree(folder / "staged")
            series, done = 0, False
            while not done and row.kills + series < kills:
                before = parts(folder)
                attempt, struck = begin(name, folder, fault, 0.5, chance)
                row.left_over += left_over(attempt.pid)
                after = parts(folder)
                row.rescored += sum(after[part] != stamp for part, stamp in before.items())
                row.corrupt += _half_manifests(folder)
                series += struck
                done = attempt.returncode == 0
            before = parts(folder)
            ended = done or finish(name, folder)
            after = parts(folder)
            row.rescored += sum(after[part] != stamp for part, stamp in before.items())
            row.kills += series
            if ended and part_bytes(folder) == expected and len(list(folder.glob("staged/*/*/manifest.json"))) == 1:
                row.survived += series
    return row


def _half_manifests(folder: Path) -> int:
    """Manifests that are there and not whole."""
    from airflow_batchscore.errors import BatchScoreError
    from airflow_batchscore.scoring.manifest import Manifest

    wrong = 0
    for path in folder.glob("staged/*/*/manifest.json"):
        try:
            wrong += Manifest.read(str(path)) is None
        except BatchScoreError:
            wrong += 1
    return wrong


# -- training -----------------------------------------------------------------
def training(fault: str, kills: int, chance: random.Random) -> Row:
    """Kill the training of two versions in turns while a reader resolves and loads what the alias names."""
    from airflow_batchscore.model import artifact
    from airflow_batchscore.model.reference import resolve

    row = Row("train and promote", fault)
    with _folder() as folder:
        prepare(folder)
        stage.train(folder, 1)

        def read() -> None:
            artifact.load(resolve(f"{folder}/model@champion"))

        with _reader(row, read):
            while row.kills < kills:
                version = 1 + row.kills % 2
                (folder / "wanted.json").write_text(json.dumps(version))
                digest = resolve(f"{folder}/model@champion").digest
                for path in folder.glob("model/*/model.json"):  # so that there is something to do
                    if json.loads(path.read_text())["digest"] != digest:
                        shutil.rmtree(path.parent)
                attempt, struck = begin("train", folder, fault, 0.15, chance)
                row.left_over += left_over(attempt.pid)
                row.kills += struck
                row.survived += struck and finish("train", folder)
    return row


# -- publication --------------------------------------------------------------
def publishing(name: str, fault: str, kills: int, chance: random.Random) -> Row:
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
            assert finish(name, folder), (folder / "log.txt").read_text()[-3000:]
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
                attempt, struck = begin(name, folder, fault, 0.25, chance)
                row.left_over += left_over(attempt.pid)
                row.kills += struck
                if struck and finish(name, folder):
                    row.survived += {path.read_bytes() for path in _published(folder, name)} == results[place]
    return row


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


TASK, GROUP, WORKER, TIMEOUT = (
    "SIGKILL of the task",
    "SIGTERM to the group, as Airflow",
    "SIGKILL of a Dask worker",
    "execution timeout",
)
#: name -> (share of the kills, what runs it)
CASES: dict[str, tuple[float, Callable[[int, random.Random], Row]]] = {
    **{
        f"{name}: {fault}": (share, lambda kills, chance, name=name, fault=fault: scoring(name, fault, kills, chance))
        for name, fault, share in [
            ("threads", TASK, 1.0),
            ("threads", GROUP, 1.0),
            ("threads", TIMEOUT, 1.0),
            ("processes", TASK, 1.0),
            ("processes", GROUP, 0.5),
            ("processes", WORKER, 1.0),
            ("processes", TIMEOUT, 0.5),
        ]
    },
    f"train: {TASK}": (1.0, lambda kills, chance: training(TASK, kills, chance)),
    f"file: {TASK}": (1.0, lambda kills, chance: publishing("file", TASK, kills, chance)),
    f"folder: {TASK}": (1.0, lambda kills, chance: publishing("folder", TASK, kills, chance)),
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    rows, began = [], time.monotonic()
    for number, (name, (share, run)) in enumerate(CASES.items()):
        if asked.only in name:
            rows.append(run(max(1, round(asked.kills * share)), random.Random(1000 * asked.seed + number)))
            print(f"{time.monotonic() - began:5.0f} s  {rows[-1]}", flush=True)
    text = f"{table(rows)}\n\n{sum(row.kills for row in rows)} kills in {(time.monotonic() - began) / 60:.0f} min.\n"
    print(f"\n{text}")
    if asked.out:
        asked.out.write_text(text)
    return 0 if all(row.clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
