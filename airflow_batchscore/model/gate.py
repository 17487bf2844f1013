"""The model gate: metrics held to limits such as ``{"accuracy": ">=0.9"}``."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

from airflow_batchscore.errors import GateError

_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}
_LIMIT = re.compile(r"\s*(>=|<=|==|>|<)\s*([-+0-9.eE]+)\s*")


def check_metrics(metrics: Mapping[str, float], require: Mapping[str, str], model: str) -> None:
    """Raises GateError that lists every metric that is missing or outside its limit."""
    problems = []
    for name, limit in require.items():
        found = _LIMIT.fullmatch(str(limit))
        if not found:
            raise GateError(f"require={{{name!r}: {limit!r}}}: write a comparison and a number, such as '>=0.9'")
        if name not in metrics:
            problems.append(f"{name} was not measured (there are {', '.join(metrics) or 'no metrics'})")
        elif not _COMPARE[found[1]](metrics[name], float(found[2])):
            problems.append(f"{name} is {metrics[name]:.6g}, required {limit}")
    if problems:
        raise GateError(
            f"model {model} does not pass: {'; '.join(problems)}. It was not promoted and nothing was scored"
        )
