"""Fuzz for some minutes: cases seed after seed, counted, and every finding printed as something that can be run again.

usage: python run.py [--minutes N] [--seed N] [--processes]      or      python run.py --case '{...}'
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, replace

import fuzz_strategies
from fuzz_cases import Case
from fuzz_check import FindingError, check
from hypothesis import HealthCheck, Phase, given, seed, settings

Found = tuple[Case, FindingError | None]

_EXAMPLES = 100


def series(number: int, counts: Counter[str], *, processes: bool = False, examples: int = _EXAMPLES) -> Found | None:
    """A series of examples; the first case that is wrong, made simpler, if there is one."""
    wrong: list[Case] = []

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # `simpler` shrinks in fewer steps
    )
    @given(fuzz_strategies.cases(processes=processes))
    def run(case: Case) -> None:
        try:
            check(case, counts)
        except FindingError:
            wrong.append(case)
            raise

    with contextlib.suppress(FindingError):
        run()
    return simpler(wrong[0]) if wrong else None


def simpler(case: Case) -> Found:
    """With as many fields as can be as the plainest case has them, such that it is still wrong."""
    finding = _finding(case)
    plain = {**asdict(Case()), "seed": case.seed % 2}
    kept = {"files", "work", "form", *({"finish"} if case.work == "groups" else ())}
    trials = [{name: value} for name, value in plain.items() if name not in kept and value != getattr(case, name)]
    trials += [{"steps": case.steps[:n] + case.steps[n + 1 :]} for n in range(len(case.steps))]
    trials += [{"files": case.files[n : n + 1]} for n in range(2)] + [{"files": (case.files[0][:1],)}]
    trials += [{"files": ((rows,),)} for rows in (1, 2, 4, 8, 15, 30)]
    for change in trials:
        try:
            smaller = replace(case, **change)
            found = _finding(smaller)
        except Exception:  # noqa: S112 - not a case: a key of Parquet in a CSV file
            continue
        if found is not None:
            case, finding = smaller, found
    return case, finding


def _finding(case: Case) -> FindingError | None:
    try:
        check(case, Counter())
    except FindingError as finding:
        return finding
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--case")
    parser.add_argument("--refusals", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    logging.getLogger("fuzz").setLevel(logging.INFO if asked.refusals else logging.ERROR)
    for name in ("airflow_batchscore", "distributed"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    counts: Counter[str] = Counter()
    if asked.case:
        check(Case.from_text(asked.case), counts)
        print(dict(counts))
        return 0
    end, number, findings = time.monotonic() + 60 * asked.minutes, asked.seed, set[str]()
    while time.monotonic() < end:
        # Processes are slow to start: every tenth series is a short one of them.
        processes = number % 10 == 9
        found = series(number, counts, processes=processes, examples=3 if processes else _EXAMPLES)
        print(f"seed {number}: {dict(sorted(counts.items()))}", flush=True)
        if found:
            case, finding = found
            findings.add(str(case))
            print(f"FINDING {finding}\n  python tests/fuzz/run.py --case '{case}'", flush=True)
            if finding is not None and finding.__cause__ is not None:
                print("".join(traceback.format_exception(finding.__cause__)[-4:]), flush=True)
        number += 1
    print(f"{len(findings)} findings, seeds {asked.seed} to {number - 1}: {dict(sorted(counts.items()))}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
