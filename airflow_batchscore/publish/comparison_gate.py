"""The gates on a comparison: how well a challenger must agree with the champion."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from airflow_batchscore.errors import GateError, listed
from airflow_batchscore.publish.compare import compare
from airflow_batchscore.publish.comparison import ColumnComparison, Comparison
from airflow_batchscore.publish.state import RunChallenge
from airflow_batchscore.publish.verdict import Audit, Limits
from airflow_batchscore.quality.check import Check
from airflow_batchscore.quality.differences import Differences

#: Begins the name of each check.
_CHALLENGER = "challenger: "
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_ADVICE = "look at where they disagree in the verdict and in the report; keep the champion, or change the limit"


def with_comparison(audit: Audit, challenge: RunChallenge | None, limits: Limits) -> Audit:
    """The audit of the champion's scores, with what its challenger scores differently.

    Raises:
        GateError: a limit is not one.
    """
    comparison = None
    if challenge is not None:
        champion = next(manifest.model for manifest in audit.manifests)
        assert champion is not None, "a champion is a model"
        comparison = compare(champion, challenge.model, audit.manifests, challenge.manifests, challenge.failed)
    checks = [*audit.checks, *comparison_checks(comparison, limits)]
    if challenge is None or comparison is None:
        return replace(audit, checks=checks)
    compared = list(challenge.manifests.values())
    return replace(audit, checks=checks, comparison=comparison.to_dict(), compared=compared)


def comparison_checks(comparison: Comparison | None, limits: Limits) -> list[Check]:
    """What was found of the challenger, as checks; only those with a limit can fail.

    Raises:
        GateError: a limit is not one.
    """
    share, sizes = _share(limits.min_agreement), _sizes(limits.max_difference)
    is_gate = share is not None or bool(sizes)
    if comparison is None:
        problem = (
            "min_agreement= and max_difference= compare a champion with its challenger, and this run has none: give "
            "PlanPartitionsOperator(model=[champion, challenger])"
        )
        return [Check("challenger", "none", "one", problem)] if is_gate else []
    return [
        _partitions(comparison, is_gate=is_gate),
        _rows(comparison, is_gate=is_gate),
        *_outputs(comparison, is_gate=is_gate),
        *_agreement(comparison, share),
        *_differences(comparison, sizes),
    ]


def as_markdown(audit: Audit) -> str:
    """What was found of the challenger, for a person who decides."""
    comparison = audit.comparison or {}
    names = [comparison[role]["uri"] for role in ("challenger", "champion") if role in comparison]
    found = [check for check in audit.checks if check.what.startswith(_CHALLENGER)]
    rows = [f"| {check.what.removeprefix(_CHALLENGER)} | {check.found} | {check.allowed} |" for check in found]
    return "\n".join([" against ".join(f"`{name}`" for name in names), "", "| | found | allowed |", "|-|-|-|", *rows])


def _share(value: float | str | None) -> float | None:
    if value is None:
        return None
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise GateError(f"min_agreement={value!r}: give a share of rows from 0 to 1, such as 0.95")
    return number


def _sizes(given: Mapping[str, float | str] | None) -> dict[str, float]:
    if given is None:
        return {}
    names = "give limits of the absolute difference by name, such as {'p95': 0.1, 'mean': 0.02, 'max': 0.5}"
    if not isinstance(given, Mapping) or not given:
        raise GateError(f"max_difference={given!r}: {names}")
    sizes = {}
    for name, value in given.items():
        number = _number(value)
        if number is None or number < 0 or not (name in ("mean", "max") or _QUANTILE.fullmatch(str(name))):
            raise GateError(f"max_difference={{{name!r}: {value!r}}}: {names}")
        sizes[str(name)] = number
    return sizes


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _partitions(comparison: Comparison, *, is_gate: bool) -> Check:
    problems = comparison.problems
    every = len(comparison.partitions)
    problem = (
        f"the challenger cannot be judged: {len(problems)} of {every} partitions were not compared, or not in full: "
        f"{listed((f'{key}: {why}' for key, why in problems.items()), '; ')}"
    )
    found = f"{every - len(problems):,} of {every:,}"
    failed = problem if is_gate and problems else None
    return Check(f"{_CHALLENGER}partitions compared", found, "all" if is_gate else "-", failed)


def _rows(comparison: Comparison, *, is_gate: bool) -> Check:
    total = comparison.total
    every = total.compared + total.champion_alone + total.challenger_alone + total.unmatched
    found = f"{total.compared:,} of {every:,}"
    nothing = "the challenger cannot be judged: no row was scored by both" if is_gate and not total.compared else None
    return Check(f"{_CHALLENGER}rows compared", found, "-", nothing)


def _outputs(comparison: Comparison, *, is_gate: bool) -> list[Check]:
    """Those that only one of the two gives: a promotion would change what readers find."""
    compared, every = len(comparison.total.columns), len(comparison.total.columns) + len(comparison.left_out)
    if compared == every or not compared:  # where there is none at all, each partition says so
        return []
    problem = (
        f"the challenger has other outputs than the champion{_left_out(comparison)}: keep those that both give "
        "(ScorePartitionOperator(outputs=[...])), or set no limit for it"
    )
    found = f"{compared} of {every}"
    return [Check(f"{_CHALLENGER}outputs compared", found, "all" if is_gate else "-", problem if is_gate else None)]


def _agreement(comparison: Comparison, least: float | None) -> list[Check]:
    columns = {name: column.agreements for name, column in comparison.total.columns.items() if column.agreements}
    checks = []
    for name, agreements in columns.items():
        share = agreements.share
        found = "-" if share is None else f"{_percent(share)} of {agreements.rows:,} rows"
        if least is None:
            checks.append(Check(f"{_CHALLENGER}agreement in {name}", found, "no limit"))
            continue
        alone = f" ({agreements.alone:,} of them were scored by one model alone)" if agreements.alone else ""
        problem = (
            f"the challenger agrees with the champion in {found} of {name}{alone}, at least {_percent(least)} are "
            f"asked for: {_ADVICE}"
        )
        passed = share is not None and share >= least
        checks.append(
            Check(f"{_CHALLENGER}agreement in {name}", found, f"{_percent(least)}", None if passed else problem)
        )
    if least is not None and not columns:
        problem = (
            "min_agreement= compares classes, and no output that both have holds text, Booleans or whole numbers"
            f"{_left_out(comparison)}: give max_difference= for numbers"
        )
        checks.append(Check(f"{_CHALLENGER}agreement", "-", _percent(least), problem))
    return checks


def _differences(comparison: Comparison, limits: Mapping[str, float]) -> list[Check]:
    columns = _numbers(comparison.total.columns)
    if not limits:
        return [_difference(name, each, "p95", None) for name, each in columns.items()]
    if not columns:
        problem = (
            f"max_difference= compares numbers, and no output that both have holds any{_left_out(comparison)}: give "
            "min_agreement= for classes"
        )
        return [Check(f"{_CHALLENGER}difference", "-", "-", problem)]
    return [_difference(name, each, what, most) for name, each in columns.items() for what, most in limits.items()]


def _numbers(columns: Mapping[str, ColumnComparison]) -> dict[str, Differences]:
    """The columns of numbers; those of whole numbers, which may be classes, only where there is no other."""
    every = {name: column for name, column in columns.items() if column.differences is not None}
    fractions = {name: column for name, column in every.items() if column.agreements is None}
    return {name: column.differences for name, column in (fractions or every).items() if column.differences}


def _difference(column: str, differences: Differences, what: str, most: float | None) -> Check:
    size = _size(differences, what)
    about = "" if what in ("mean", "max") else "about "
    found = "-" if math.isnan(size) else "unbounded" if math.isinf(size) else f"{about}{size:.4g}"
    label = f"{_CHALLENGER}{what} difference in {column}"
    if most is None:
        return Check(label, found, "no limit")
    if size <= most:
        return Check(label, found, f"{most:g}")
    alone = (
        f" ({differences.unbounded:,} rows have a score of one model alone, or one that is missing or infinite)"
        if differences.unbounded
        else ""
    )
    problem = (
        f"the challenger's {column} is {found} from the champion's ({what}) of {differences.rows:,} rows{alone}, at "
        f"most {most:g} is allowed: {_ADVICE}"
    )
    return Check(label, found, f"{most:g}", problem)


def _size(differences: Differences, what: str) -> float:
    if what == "mean":
        return differences.mean_size
    return differences.most if what == "max" else differences.size_quantile(float(what[1:]) / 100)


def _left_out(comparison: Comparison) -> str:
    names = [f"{name}: {why}" for name, why in comparison.left_out.items()]
    return f" ({listed(names, '; ')})" if names else ""


def _percent(share: float) -> str:
    """Rounded down, so that a share below a limit does not look like the limit."""
    return f"{math.floor(1e6 * share) / 1e4:g} %"
