"""Run the limit, this package and its peers in turn on the same workloads; write figures, tables and a plot.

usage: python bench.py quick|full [--rounds N] [--out FOLDER] [--table KEY ...] [--row NAME ...] [--scratch FOLDER]

Every run is a process of its own; the rows of a table take turns (A B C A B C ...), and a run that something else
disturbed is repeated while the patience for it lasts. The predictions of each row are compared with the first one's.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# In the clone, so that no other version's data lies there.
DATA = Path(os.environ.setdefault("BENCH_DATA", str(ROOT / ".bench")))
sys.path.insert(0, str(ROOT / "scripts"))
from wta_data import find_matches

# The workloads are listed when `common` is imported, from the folder that this names.
os.environ["WTA_MATCHES_DIR"] = find_matches(DATA / "matches")[0]
import common
import machine_facts
import measure
import plot
import tables
from rows import CLOSE, FULL, QUICK, Row, Table

#: Seconds to spend on waiting for a quiet machine and on repeating disturbed runs, in all.
PATIENCE = {"quick": 30, "full": 300}
ROUNDS = {"quick": 2, "full": 5}
#: After so many rounds, a row that took more than this many times the first one's time in each takes no more turns.
FAR = {2: 2.0, 3: 4 / 3}
#: Through a real Airflow, with the development environment: name in the results -> script and arguments.
AIRFLOW = {"overhead": "overhead.py airflow", "end_to_end": "end_to_end.py"}
#: Arguments -> the target of the Makefile that gives them.
COMMANDS = {("quick",): "make bench", ("full", "--out", "docs/benchmark"): "make bench-full"}
#: Workload -> what gen.py calls its data, where that differs.
GENERATED = {"w3h": "w3", "w3x": "w3"}


class Bench:
    """One run of the benchmark."""

    def __init__(self, form: str, rounds: int | None, only: list[str], scratch: Path) -> None:
        self.form, self.only = form, only
        self.rounds = rounds or ROUNDS[form]
        self.patience = measure.Patience(PATIENCE[form])
        self.skipped: list[dict[str, str]] = []
        self.wrong: list[str] = []
        self._unprepared: dict[tuple[str, str], str | None] = {}
        self.out = Path(tempfile.mkdtemp(prefix="batchscore-bench-", dir=scratch))

    def table(self, table: Table) -> dict[str, Any]:
        """The runs of a table's rows, in turns."""
        print(f"\n{table.key}: {table.title}", flush=True)
        generated = GENERATED.get(table.work, table.work.split("-")[0])
        subprocess.run([sys.executable, HERE / "gen.py", generated], check=True)
        rows = [row for row in table.rows if self._prepared(table, row)]
        runs: dict[str, list[dict[str, Any]]] = {row.name: [] for row in rows}
        for number in range(min(self.rounds, table.rounds)):
            for row in list(rows):
                if self.form == "quick" and number and row.name not in CLOSE:
                    continue
                run = self._run(_python(row), row.command, table.work, repeat=row.name in CLOSE)
                if "skipped" in run["marks"]:
                    self._skip(table, row, run["marks"]["skipped"])
                    del runs[row.name]
                    rows.remove(row)
                    continue
                runs[row.name].append(run)
                print(f"  {row.name}: {run['wall']:.2f} s{' (disturbed)' if run['noisy'] else ''}", flush=True)
                if run["rc"] != 0:
                    print(f"  {row.name} failed:", self._tail(), sep="\n", flush=True)
                    rows.remove(row)
                elif number == 0 and table.checked:
                    self._check(table, row)
                shutil.rmtree(self.out / "run", ignore_errors=True)
            if self.form == "full" and number + 1 in FAR:
                rows = [row for row in rows if not _is_far(runs, table.rows[0].name, row.name, FAR[number + 1])]
        shutil.rmtree(self.out / "reference", ignore_errors=True)
        # A peer may fail on a machine; the limit and this package may not.
        failed = {name for name, each in runs.items() if each[-1]["rc"] != 0}
        self.wrong += [f"{table.key}: {name} failed" for name in failed & CLOSE]
        return {"key": table.key, "title": table.title, "what": common.describe(table.work), "runs": runs}

    def airflow(self, name: str) -> dict[str, Any] | None:
        """What a script measured with a real Airflow; None if it cannot run here."""
        python, figures = ROOT / ".venv/bin/python", self.out / "figures.json"
        if not python.exists():
            self.skipped.append({"table": name, "row": "all", "why": "there is no .venv: run make setup"})
            return None
        self.patience.wait()
        done = subprocess.run([python, HERE / AIRFLOW[name].split()[0], *AIRFLOW[name].split()[1:], "--json", figures])
        if done.returncode:
            self.wrong.append(f"{name} failed")
            return None
        found: dict[str, Any] = json.loads(figures.read_text())
        return found

    def _prepared(self, table: Table, row: Row) -> bool:
        if self.only and row.name not in self.only and row is not table.rows[0]:
            return False
        why = None
        if not importlib.util.find_spec(row.module):
            why = f"{row.module} is not installed"
        elif not (HERE / row.command.split()[0]).exists():
            why = f"there is no {row.command.split()[0]}"
        elif not _python(row).exists():
            why = f"there is no {row.environment}: run make bench"
        elif row.prepare:
            why = self._prepare(table, row)
        if why:
            self._skip(table, row, why)
        return why is None

    def _prepare(self, table: Table, row: Row) -> str | None:
        """Once for all rows that need the same. Returns why it could not be done."""
        command = row.prepare, table.work
        if command not in self._unprepared:
            run = self._run(_python(row), *command, repeat=False, wait=False)
            self._unprepared[command] = run["marks"].get("skipped")
            if run["rc"]:
                self._unprepared[command] = "its preparation failed"
                self.wrong.append(f"{table.key}: the preparation of {row.name} failed: {self._tail()}")
        return self._unprepared[command]

    def _skip(self, table: Table, row: Row, why: str) -> None:
        print(f"  {row.name} is skipped: {why}", flush=True)
        self.skipped.append({"table": table.key, "row": row.name, "why": why})

    def _run(self, python: Path, command: str, work: str, *, repeat: bool, wait: bool = True) -> dict[str, Any]:
        common.warm(common.WORK[work][1])
        self._log().unlink(missing_ok=True)
        script, *arguments = command.format(work=work).split()
        run = measure.run_quiet(
            [str(python), str(HERE / script), *arguments],
            self.patience if wait else measure.Patience(0),
            # Workers in other processes import what the peers share.
            env={"BENCH_OUT": str(self.out / "run"), "PYTHONPATH": f"{HERE}{os.pathsep}{ROOT}"},
            tries=3 if repeat else 1,
            timeout=600,
            log=str(self._log()),
        )
        marks = run.pop("in")
        began, ready, scored = (marks.get(name) for name in ("began", "ready", "scored"))
        run["start"] = ready or 0.0
        run["work"] = (scored or marks.get("end", 0.0)) - run["start"]
        run["task"] = marks.get("end", 0.0) - (began or 0.0)
        run["marks"] = marks
        return run

    def _log(self) -> Path:
        return self.out / "run.log"

    def _tail(self) -> str:
        return self._log().read_text(errors="replace")[:3000] if self._log().exists() else ""

    def _check(self, table: Table, row: Row) -> None:
        """Compare the predictions of the run that just ended with those of the table's first row."""
        reference, found = self.out / "reference", self.out / "run"
        if row is table.rows[0]:
            found.rename(reference)
            return
        within = [] if row.within is None else ["--within", str(row.within)]
        done = subprocess.run(
            [sys.executable, HERE / "check.py", *within, reference, found], text=True, capture_output=True
        )
        if done.returncode:
            self.wrong.append(f"{table.key}: the predictions of {row.name} differ from those of {table.rows[0].name}")
            print(done.stdout, done.stderr, flush=True)

    def close(self) -> None:
        """Remove what the rows wrote."""
        shutil.rmtree(self.out, ignore_errors=True)


def _python(row: Row) -> Path:
    return ROOT / row.environment / "bin/python" if row.environment else Path(sys.executable)


def _is_far(runs: dict[str, list[dict[str, Any]]], first: str, name: str, far: float) -> bool:
    if name in CLOSE:
        return False
    return all(run["wall"] > far * base["wall"] for base, run in zip(runs[first], runs[name], strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=["quick", "full"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--out", type=Path, default=DATA / "results")
    parser.add_argument(
        "--table", nargs="*", default=[], help="keys of tables (rows.py), overhead or end_to_end; all if none"
    )
    parser.add_argument("--row", nargs="*", default=[], help="names of rows; the first row of a table always runs")
    parser.add_argument(
        "--scratch", type=Path, default=Path("/dev/shm"), help="where rows write; a folder on a real disk"
    )
    asked = parser.parse_args()
    # What was compiled when a package was installed should not be compiled by the first of the runs.
    compileall.compile_dir(HERE, quiet=1)
    compileall.compile_dir(ROOT / "airflow_batchscore", quiet=1)
    # The models as this version of the package saves them: another one may have saved them otherwise.
    for name in ("models", "accelerated"):
        shutil.rmtree(DATA / name, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was written is removed
    began = time.monotonic()
    bench = Bench(asked.form, asked.rounds, asked.row, asked.scratch)
    chosen = [
        table for table in (QUICK if asked.form == "quick" else FULL) if not asked.table or table.key in asked.table
    ]
    # Airflow's part needs minutes, and is for the full form unless it is named.
    scripts = [name for name in AIRFLOW if name in asked.table or (asked.form == "full" and not asked.table)]
    try:
        measured = [bench.table(table) for table in chosen]
        airflow = {name: figures for name in scripts if (figures := bench.airflow(name)) is not None}
    finally:
        bench.close()
    results = {
        "form": asked.form,
        "command": COMMANDS.get(tuple(sys.argv[1:])) or f"python tests/benchmarks/bench.py {' '.join(sys.argv[1:])}",
        "minutes": (time.monotonic() - began) / 60,
        **machine_facts.facts(ROOT),
        "quiet": machine_facts.quiet(bench.patience, measured),
        "tables": measured,
        "airflow": airflow,
        "skipped": bench.skipped,
        "wrong": bench.wrong,
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "results.json").write_text(tables.as_json(results))
    (asked.out / "results.md").write_text(tables.page(results))
    if asked.form == "full" and importlib.util.find_spec("matplotlib"):
        plot.plot(results["tables"], asked.out / "benchmark.svg")
    print(f"\n{tables.page(results)}\n{asked.out}/results.json", flush=True)
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
