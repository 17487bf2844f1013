"""The model gate: metrics held to limits such as ``{"accuracy": ">=0.9"}``."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

from airflow_batchscore.errors import GateError

_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LIMIT = re.compile(rf"\s*(>=|<=|==|>|<)\s*(?:({_NUMBER})\s*(\*\s*baseline)?|(baseline))\s*")


def check_metrics(
    metrics: Mapping[str, float],
    require: Mapping[str, str],
    model: str,
    baseline: Mapping[str, float] | None = None,
) -> None:
    """Raises GateError that lists every metric that is missing or outside its limit; see `metric_problems`."""
    problems = metric_problems(metrics, require, baseline)
    if problems:
        raise GateError(
            f"model {model} does not pass: {'; '.join(problems)}. It was not promoted and nothing was scored"
        )


def metric_problems(
    metrics: Mapping[str, float], require: Mapping[str, str], baseline: Mapping[str, float] | None = None
) -> list[str]:
    """What is wrong with metrics.

    Args:
        require: metric -> limit: ``">=0.9"``, or ``"<=0.95*baseline"`` of the same metric of another model.
        baseline: metrics of that other model.

    Raises:
        GateError: a limit cannot be read.
    """
    problems = []
    for name, limit in require.items():
        found = _LIMIT.fullmatch(str(limit))
        if not found:
            raise GateError(
                f"require={{{name!r}: {limit!r}}}: write a comparison and a number, such as '>=0.9', or "
                "'<=0.95*baseline'"
            )
        bound, said = float(found[2] or 1.0), str(limit)
        if name not in metrics:
            problems.append(f"{name} was not measured (there are {', '.join(metrics) or 'no metrics'})")
            continue
        if found[3] or found[4]:
            if baseline is None or name not in baseline:
                problems.append(f"{name} has no baseline to hold it against: give a model that measured it too")
                continue
            bound *= baseline[name]
            said = f"{limit} = {bound:.6g}"
        if not _COMPARE[found[1]](metrics[name], bound):
            problems.append(f"{name} is {metrics[name]:.6g}, required {said}")
    return problems
