"""``make test-matrix``: the wheel of ``make dist`` in clean environments, one per row; a row is "3.2 3.12 pandas3".

A row is installed under Airflow's published constraints, shown by ``airflow providers list`` and ``airflow plugins``,
and runs the core of the suite: quick unit tests, a pipeline that Airflow runs, the plugin's routes. Its log and, if it
failed, its environment stay in .matrix/.

Constraints are read from $AIRFLOW_CONSTRAINTS/constraints-<Airflow>/constraints-<Python>.txt if that is set, else from
where Airflow publishes them. A row whose constraints cannot be had gets the packages of the days when its Airflow was
released, and says so: Airflow 3.2.2 with the FastAPI or the Starlette of six months later runs no task.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".matrix"
UV = ROOT / ".tools" / "bin" / "uv"
PUBLISHED = "https://raw.githubusercontent.com/apache/airflow/constraints-{airflow}/constraints-{python}.txt"
#: The newest release of each minor version, and a day soon after it; 3.1 is the last one that is refused.
AIRFLOW = {"3.1": "3.1.8", "3.2": "3.2.2", "3.3": "3.3.2"}
RELEASED = {"3.1": "2026-04-01", "3.2": "2026-05-29", "3.3": "2026-10-01"}
PANDAS = {"pandas2": "pandas>=2.2,<3", "pandas3": "pandas>=3,<4"}
LOWEST = {"lowest": ["airflow"], "lowest-s3": ["airflow", "s3"]}
SHOWN = ("apache-airflow", "pandas", "numpy", "pyarrow", "scikit-learn")
#: Where pandas, numpy, pyarrow and scikit-learn matter, and no extra is needed.
QUICK = [
    *("-m", "unit and not slow and not service", "--ignore=tests/scoring/test_compiled_scores.py"),
    *("-k", "not test_a_recipe_over_whole_partitions_is_trained_partition_by_partition"),
    *("tests/scoring", "tests/data/formats", "tests/publish/targets", "tests/test_compat.py"),
]
#: Operators by themselves, a pipeline by ``dag.test`` from training to publication, the pages' routes, the tutorial.
WITH_AIRFLOW = [
    *(f"tests/operators/test_{name}.py" for name in ("announcing", "failing", "slots")),
    "tests/operators/test_pipeline.py::test_a_run_publishes_what_was_asked_for",
    "tests/operators/test_examples.py::test_functions_run_over_rows_and_over_groups",
    *(f"tests/plugin/test_{name}.py" for name in ("run_routes", "run_state", "nav_routes", "pages")),
    *("tests/sensors", "tests/triggers", "tests/test_links.py", "tests/test_provider.py", "tests/test_your_model.py"),
]


ON_S3 = "tests/operators/test_pipeline.py::test_the_pipeline_on_s3_with_the_connection_of_airflow"


@dataclass(frozen=True)
class Row:
    """An environment.

    Attributes:
        kind: ``pandas2`` or ``pandas3``; ``lowest`` and ``lowest-s3``: all that pyproject.toml names without and with
            that extra, as old as it allows; ``refused``: an Airflow that is too old, whose users get one sentence.
    """

    airflow: str
    python: str
    kind: str

    def __str__(self) -> str:
        return f"{self.airflow} {self.python} {self.kind}"


ROWS = [
    *(
        Row(airflow, python, kind)
        for airflow in ("3.2", "3.3")
        for python in ("3.11", "3.12", "3.13", "3.14")
        for kind in PANDAS
    ),
    *(Row("3.2", "3.11", kind) for kind in LOWEST),
    Row("3.1", "3.12", "refused"),
]


class RowError(Exception):
    """A row does not hold; the message says at which step."""


class Environment:
    """A clean environment of a row."""

    def __init__(self, row: Row, wheel: Path) -> None:
        self.row, self.wheel = row, wheel
        self.folder = HOME / str(row).replace(" ", "-")
        self.log = Path(f"{self.folder}.log")
        self.constraints = "none"

    def check(self) -> str:
        """Install and try everything; returns what the tests say. Raises RowError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        self._run("create", UV, "venv", "-q", "-p", self.row.python, self.folder)
        self._install()
        if self.row.kind == "refused":
            return self._refusal()
        if "airflow-batchscore" not in self._run("airflow providers list", self._bin("airflow"), "providers", "list"):
            raise RowError("airflow providers list does not show airflow-batchscore")
        if "batchscore" not in self._run("airflow plugins", self._bin("airflow"), "plugins"):
            raise RowError("airflow plugins does not show batchscore")
        pytest = (self._bin("pytest"), "-q", "-p", "no:cacheprovider", "-n", "2")
        quick = self._run("quick unit tests", *pytest, *QUICK)
        with_airflow = [*WITH_AIRFLOW, *([] if self.row.kind == "lowest" else [ON_S3])]
        return f"{_passed(quick)} unit, {_passed(self._run('tests with Airflow', *pytest, *with_airflow))} with Airflow"

    def versions(self) -> str:
        """Of what is installed."""
        frozen = self._run("freeze", UV, "pip", "freeze", "-p", self._bin("python"))
        listed = dict(line.split("==") for line in frozen.splitlines() if "==" in line)
        return ", ".join(f"{name.removeprefix('apache-')} {listed[name]}" for name in SHOWN)

    def _install(self) -> None:
        install: list[str | Path] = [UV, "pip", "install", "-p", self._bin("python"), "--group", "matrix"]
        if self.row.kind in LOWEST:
            lowest = self.folder / "lowest.txt"
            extras = [word for extra in LOWEST[self.row.kind] for word in ("--extra", extra)]
            command = [str(UV), "pip", "compile", "pyproject.toml", "-q", "--resolution", "lowest-direct", *extras]
            released = self._of_the_days()
            self._run("resolve", *command, *released, "--python-version", self.row.python, "-o", lowest)
            self._run("install", *install, *released, "-r", lowest, self.wheel)
            return
        wanted = [f"apache-airflow=={AIRFLOW[self.row.airflow]}", f"airflow-batchscore[s3] @ {self.wheel.as_uri()}"]
        if self.row.kind in PANDAS:
            wanted.append(PANDAS[self.row.kind])
        self._run("install", *install, *self.constrain(), *wanted)

    def constrain(self) -> list[str]:
        """The option for Airflow's constraints; without their pandas if the row is about another one."""
        text = published(AIRFLOW[self.row.airflow], self.row.python)
        if text is None:
            return self._of_the_days()
        dated = re.search(r"generated on (\S{10})", text)
        self.constraints = f"of {dated[1]}" if dated else "undated"
        pinned = re.search(r"^pandas==(\d+)", text, re.MULTILINE)
        if pinned and self.row.kind in PANDAS and f"pandas{pinned[1]}" != self.row.kind:
            text = re.sub(r"^pandas==.*$", "", text, flags=re.MULTILINE)
            self.constraints += f", but for their pandas {pinned[1]}"
        path = self.folder / "constraints.txt"
        path.write_text(text)
        return ["-c", str(path)]

    def _of_the_days(self) -> list[str]:
        self.constraints = f"none; packages of {RELEASED[self.row.airflow]}"
        return ["--exclude-newer", RELEASED[self.row.airflow]]

    def _refusal(self) -> str:
        """What an Airflow that is too old says, wherever it meets the package."""
        sentence = rf"airflow_batchscore needs Apache Airflow 3\.2 or newer, and this is {AIRFLOW[self.row.airflow]}"
        python = self._bin("python")
        for code in ("import airflow_batchscore.operators", "from airflow_batchscore.sensors import PartitionSensor"):
            said = self._run("refuse the import", python, "-c", code, fails=True)
            if not re.search(f"^ImportError: {sentence}", said.splitlines()[-1]):
                raise RowError(f"{code!r} ends with {said.splitlines()[-1]!r}")
        if not re.search(sentence, self._run("airflow plugins", self._bin("airflow"), "plugins")):
            raise RowError("airflow plugins does not say which version is needed")
        return "refused, at import and in airflow plugins"

    def _bin(self, name: str) -> Path:
        return self.folder / "bin" / name

    def _run(self, step: str, *command: str | Path, fails: bool = False) -> str:
        """What a command prints. Raises RowError unless it ends as expected."""
        # The package is the installed one: the checkout, where tests lie, stays out of sys.path.
        hidden = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {"PYTHONSAFEPATH": "1", "AIRFLOW_HOME": f"{self.folder}/airflow", "OMP_NUM_THREADS": "1"}
        environment |= {"PATH": f"{self.folder / 'bin'}{os.pathsep}{environment['PATH']}", "UV_NO_CONFIG": "1"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n{done.stdout}\n")
        if (done.returncode != 0) is not fails:
            said = [line for line in done.stdout.splitlines() if line.strip()]
            summary = [line for line in said if re.search(r"\d+ (failed|errors?)\b.* in \d", line)]
            raise RowError(f"{step}: {(summary or said or ['it said nothing'])[-1][:150]}")
        return done.stdout


def published(airflow: str, python: str) -> str | None:
    """Airflow's constraints; None if they cannot be had."""
    folder = os.environ.get("AIRFLOW_CONSTRAINTS")
    if folder:
        path = Path(folder) / f"constraints-{airflow}" / f"constraints-{python}.txt"
        return path.read_text() if path.is_file() else None
    try:
        with urllib.request.urlopen(PUBLISHED.format(airflow=airflow, python=python), timeout=20) as answer:  # noqa: S310 - https
            return str(answer.read().decode())
    except (urllib.error.URLError, TimeoutError):
        return None


def _passed(said: str) -> str:
    """The summary of pytest, below which an Airflow that ends later may write."""
    (*_, summary) = (line for line in said.splitlines() if re.search(r"\d+ passed.* in \d", line))
    return ", ".join(re.findall(r"\d+ (?:passed|skipped)", summary))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=[str(row) for row in ROWS], help="one row alone, quoted")
    only = parser.parse_args(arguments).row
    wheels = list((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1:
        parser.error(f"dist/ holds {len(wheels)} wheels, not one: run make dist")
    (wheel,) = wheels
    HOME.mkdir(exist_ok=True)
    failed, table = 0, []
    for row in [row for row in ROWS if only in (None, str(row))]:
        began, environment = time.monotonic(), Environment(row, wheel)
        versions = "-"
        try:
            said = environment.check()
            versions = environment.versions()
            shutil.rmtree(environment.folder)
        except RowError as error:
            failed, said = failed + 1, f"FAILED: {error} (see {environment.log.relative_to(ROOT)})"
        table.append(f"| {row} | {versions} | {environment.constraints} | {said} | {time.monotonic() - began:.0f} s |")
        print(table[-1], flush=True)
    print("\n| row | versions | constraints | result | time |\n| --- | --- | --- | --- | --- |", *table, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
