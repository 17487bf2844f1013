"""The model gate: checks metrics against limits such as ``{"accuracy": ">=0.9"}``."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import GateError
from airflow_batchscore.model.reference import GivenModel
from airflow_batchscore.quality.check import Check, as_lines, problems_of

_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LIMIT = re.compile(rf"\s*(>=|<=|==|>|<)\s*(?:({_NUMBER})\s*(\*\s*baseline)?|(baseline))\s*")


@dataclass(frozen=True)
class CheckedModel:
    """What the model gate returns. The tasks after it take ``model`` and ``digest``, as from training.

    Attributes:
        model: ``<uri>/<version>``.
        metrics: of the model.
        baseline: metrics of the model that it was compared with; None if there was none.
        promoted_to: the alias that points at it now; None if none was moved.
    """

    model: str
    version: str
    digest: str
    metrics: Mapping[str, float]
    baseline: Mapping[str, float] | None
    promoted_to: str | None

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return asdict(self) | GivenModel(self.model, self.digest).to_dict()


def require_passed(checks: Sequence[Check], model: str) -> None:
    """Raise GateError listing every metric that is missing or outside its limit."""
    problems = problems_of(checks)
    if problems:
        raise GateError(f"model {model} does not pass{as_lines(problems)}. It was not promoted")


def metric_checks(
    metrics: Mapping[str, float], require: Mapping[str, str], baseline: Mapping[str, float] | None = None
) -> list[Check]:
    """Hold metrics against their limits.

    Args:
        require: metric -> limit: ``">=0.9"``, or ``"<=0.95*baseline"`` relative to another model's same metric.
        baseline: metrics of that other model.

    Raises:
        GateError: a limit cannot be read.
    """
    checks = []
    for name, limit in require.items():
        match = _LIMIT.fullmatch(str(limit))
        if not match:
            raise GateError(
                f"require={{{name!r}: {limit!r}}}: write a comparison and a number, such as '>=0.9', or "
                "'<=0.95*baseline'"
            )
        bound, text = float(match[2] or 1.0), str(limit)
        if name not in metrics:
            there = ", ".join(metrics) or "no metrics"
            checks.append(Check(name, "-", text, f"{name} was not measured (there are {there})"))
            continue
        found, problem = f"{metrics[name]:.6g}", None
        if (match[3] or match[4]) and (baseline is None or name not in baseline):
            problem = f"{name} has no baseline to hold it against: give a model that measured it too"
        else:
            if baseline is not None and (match[3] or match[4]):
                bound *= baseline[name]
                text = f"{limit} = {bound:.6g}"
            if not _COMPARE[match[1]](metrics[name], bound):
                problem = f"{name} is {found}, required {text}"
        checks.append(Check(name, found, text, problem))
    return checks
