"""What the documents claim about speed, and the targets; both are checked against a run's results.

usage: python claims.py RESULTS.json      exits with 1 if the results contradict a sentence, or a sentence is gone

To change a claim, change its sentence here and in the document.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from figures import Results, Spread
from rows import ACCELERATED, LIMIT, OURS, POLARS, POLARS_NARROW

ROOT = Path(__file__).resolve().parents[2]
WORKLOADS = ("w1", "w2", "w3h", "w3x", "w4")


@dataclass(frozen=True)
class Verdict:
    """A figure, as text, and whether it holds."""

    text: str
    holds: bool


#: None: the results do not have it.
Measure = Callable[[Results], Verdict | None]


@dataclass(frozen=True)
class Claim:
    """A sentence of a document, word for word but for line breaks, and what must be so."""

    document: str
    sentence: str
    measure: Measure


@dataclass(frozen=True)
class Target:
    """What was aimed at. A missed one is told and explained, and fails nothing."""

    name: str
    goal: str
    measure: Measure


def each(workloads: tuple[str, ...], figure: Callable[[Results, str], Spread | None], least: float) -> Measure:
    """On each workload at least so much, in the two digits that the tables show."""

    def measure(results: Results) -> Verdict | None:
        found = {work: spread for work in workloads if (spread := figure(results, work)) is not None}
        if len(found) < len(workloads):
            return None
        text = ", ".join(
            f"{work} {spread.median:.2f}" if len(found) > 1 else spread.text() for work, spread in found.items()
        )
        return Verdict(text, all(round(spread.median, 2) >= least for spread in found.values()))

    return measure


def at_most(figure: Callable[[Results], float | None], most: float, unit: str = "") -> Measure:
    """One figure."""

    def measure(results: Results) -> Verdict | None:
        found = figure(results)
        return None if found is None else Verdict(f"{found:.2f}{unit}", round(found, 2) <= most)

    return measure


def of_limit(what: str, row: str = OURS) -> Callable[[Results, str], Spread | None]:
    """The limit's time over the row's."""
    return lambda results, work: results.of_limit(work, row, what)


def ahead_of(*peers: str) -> Measure:
    """On each workload faster than each of the peers, start-up included."""

    def measure(results: Results) -> Verdict | None:
        found = {(work, peer): results.ratio(work, peer, OURS, "wall") for work in WORKLOADS for peer in peers}
        measured = {pair: spread.median for pair, spread in found.items() if spread is not None}
        if len(measured) < len(found):
            return None
        (work, peer), nearest = min(measured.items(), key=lambda item: item[1])
        return Verdict(f"nearest: {peer} on {work}, {nearest:.2f} times the time", nearest > 1)

    return measure


def not_behind(*peers: str) -> Measure:
    """On each workload ahead of each of the peers, or the rounds do not tell: some were ahead, some behind."""

    def measure(results: Results) -> Verdict | None:
        found = {(work, peer): results.ratio(work, peer, OURS, "wall") for work in WORKLOADS for peer in peers}
        measured = {pair: spread for pair, spread in found.items() if spread is not None}
        if len(measured) < len(found):
            return None
        # Of each workload the peer that is nearest, or furthest ahead.
        best = {work: min((measured[work, peer] for peer in peers), key=lambda each: each.median) for work in WORKLOADS}
        text = ", ".join(f"{work} {spread.text()}" for work, spread in best.items())
        holds = all(round(spread.median, 2) >= 1 or spread.greatest >= 1 for spread in measured.values())
        return Verdict(text, holds)

    return measure


def _median(spread: Spread | None) -> float | None:
    return None if spread is None else spread.median


def _cluster_share(results: Results) -> float | None:
    ratio = _median(results.ratio("cluster", OURS, "bare thread pool", "wall"))
    return None if ratio is None else 100 * (ratio - 1)


def _cluster_seconds(results: Results) -> float | None:
    return _median(results.difference("startup", OURS, "bare thread pool", "task"))


def _memory(results: Results) -> Verdict | None:
    ours, limit = results.memory(), results.memory("limit")
    if ours is None or limit is None:
        return None
    return Verdict(f"{ours:.2f} (the limit's: {limit:.2f})", round(ours, 2) <= 1.1)


def _publication(results: Results) -> Verdict | None:
    file, folder = results.publication("to one file"), results.publication("to a folder")
    if file is None or folder is None:
        return None
    shares = file[2].median, folder[2].median
    return Verdict(f"file {shares[0]:.2f}, folder {shares[1]:.2f}", round(max(shares), 2) <= 0.3)


#: Executor -> the most seconds that a scoring task may take over an empty one.
TASK_SECONDS = {"LocalExecutor": 0.5, "CeleryExecutor": 0.6}
#: The most time that the 17 years may take, over a DAG of empty tasks.
YEARS_RATIO = 1.3


def _airflow(executor: str, figure: str) -> Callable[[Results], float | None]:
    return lambda results: results.airflow("overhead", executor, figure)


README, PAGE = "README.md", "docs/what-you-get.md"
_MEMORY = "200 million rows need no more memory than 20 million"
_PEERS = "beats Ray Data, Spark and dask-ml on all workloads measured"
_ahead_of_peers = ahead_of("Ray Data", "Spark mapInPandas", "ParallelPostFit, lazy")
CLAIMS = (
    Claim(README, _MEMORY, _memory),
    Claim(README, _PEERS, _ahead_of_peers),
    Claim(PAGE, _MEMORY, _memory),
    Claim(PAGE, _PEERS, _ahead_of_peers),
    Claim(
        PAGE,
        "With the library's own predict it runs at 0.6 or more of that speed, start-up included",
        each(WORKLOADS, of_limit("wall"), 0.6),
    ),
    Claim(
        PAGE,
        "a task then runs at 1.2 times the speed of a hand-written two-thread loop or more",
        each(("w2", "w3h", "w3x"), of_limit("wall", ACCELERATED), 1.2),
    ),
)
TARGETS = (
    Target("of the limit, work", "at least 0.97 on each workload", each(WORKLOADS, of_limit("work"), 0.97)),
    Target(
        "of the limit, start-up included", "at least 0.93 on each workload", each(WORKLOADS, of_limit("wall"), 0.93)
    ),
    Target(
        "the same, as a task whose imports were preloaded",
        "at least 0.93 on w1 and w4",
        each(("w1-task", "w4-task"), lambda results, table: results.ratio(table, LIMIT, OURS, "task"), 0.93),
    ),
    Target(
        "against Polars (its time over ours)",
        "ahead, or equal within the spread, on each",
        not_behind(POLARS, POLARS_NARROW),
    ),
    Target(
        "accelerated, work of the limit with the library's predict",
        "at least 3 on w2 and w3h",
        each(("w2", "w3h"), of_limit("work", ACCELERATED), 3.0),
    ),
    Target("the same with XGBoost", "at least 2 on w3x", each(("w3x",), of_limit("work", ACCELERATED), 2.0)),
    Target(
        "a pack of 64 partitions of one block against one partition",
        "at least 0.95",
        each(("packs",), lambda results, table: results.ratio(table, "one partition", "64 partitions", "work"), 0.95),
    ),
    Target("publication of 20 million rows over scoring them", "at most 0.3, to a file and to a folder", _publication),
    Target(
        "a LocalCluster over a bare pool on w1, start-up included", "at most 3 %", at_most(_cluster_share, 3.0, " %")
    ),
    Target("a LocalCluster over a bare pool, imports preloaded", "at most 0.1 s", at_most(_cluster_seconds, 0.1, " s")),
    Target("memory on 200 million rows over 20 million", "at most 1.1", _memory),
    Target(
        "a scoring task over an empty one, LocalExecutor",
        f"at most {TASK_SECONDS['LocalExecutor']} s",
        at_most(_airflow("LocalExecutor", "task_seconds_more"), TASK_SECONDS["LocalExecutor"], " s"),
    ),
    Target(
        "the same, Celery",
        f"at most {TASK_SECONDS['CeleryExecutor']} s",
        at_most(_airflow("CeleryExecutor", "task_seconds_more"), TASK_SECONDS["CeleryExecutor"], " s"),
    ),
    Target(
        "the 17 years over a DAG of empty tasks",
        f"at most {YEARS_RATIO}",
        at_most(_airflow("LocalExecutor", "run_ratio"), YEARS_RATIO),
    ),
)


def problems(results: Results, root: Path = ROOT) -> list[str]:
    """Sentences that the results contradict or, in the full form, do not measure, and sentences that are gone."""
    found = []
    for claim in CLAIMS:
        text = " ".join((root / claim.document).read_text().split())
        if claim.sentence not in text:
            found.append(
                f"{claim.document} no longer says {claim.sentence!r}: change tests/benchmarks/claims.py with it"
            )
        verdict = claim.measure(results)
        if verdict is None and results.content["form"] == "full":
            found.append(f"{claim.document}: {claim.sentence!r} was not measured")
        elif verdict is not None and not verdict.holds:
            found.append(f"{claim.document}: {claim.sentence!r} is contradicted: {verdict.text}")
    return found


def main() -> int:
    path = Path(sys.argv[1])
    if not path.exists():
        print(f"{path} does not exist: run `make bench-full` first")
        return 2
    results = Results.read(path)
    print(f"claims against {path}: {results.content['form']} form, commit {results.content['commit']}")
    for claim in CLAIMS:
        verdict = claim.measure(results)
        print(f"  {'not measured' if verdict is None else verdict.text}: {claim.document}: {claim.sentence}")
    wrong = problems(results)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
