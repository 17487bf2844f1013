"""The model gate: checks metrics against limits such as ``{"accuracy": ">=0.9"}``."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import GateError
from airflow_batchscore.model.reference import GivenModel

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


def check_metrics(
    metrics: Mapping[str, float],
    require: Mapping[str, str],
    model: str,
    baseline: Mapping[str, float] | None = None,
) -> None:
    """Raise GateError listing every metric that is missing or outside its limit; see `metric_problems`."""
    problems = metric_problems(metrics, require, baseline)
    if problems:
        raise GateError(
            f"model {model} does not pass: {'; '.join(problems)}. It was not promoted and nothing was scored"
        )


def metric_problems(
    metrics: Mapping[str, float], require: Mapping[str, str], baseline: Mapping[str, float] | None = None
) -> list[str]:
    """Describe metrics that are missing or outside their limits.

    Args:
        require: metric -> limit: ``">=0.9"``, or ``"<=0.95*baseline"`` relative to another model's same metric.
        baseline: metrics of that other model.

    Raises:
        GateError: a limit cannot be read.
    """
    problems = []
    for name, limit in require.items():
        match = _LIMIT.fullmatch(str(limit))
        if not match:
            raise GateError(
                f"require={{{name!r}: {limit!r}}}: write a comparison and a number, such as '>=0.9', or "
                "'<=0.95*baseline'"
            )
        bound, text = float(match[2] or 1.0), str(limit)
        if name not in metrics:
            problems.append(f"{name} was not measured (there are {', '.join(metrics) or 'no metrics'})")
            continue
        if match[3] or match[4]:
            if baseline is None or name not in baseline:
                problems.append(f"{name} has no baseline to hold it against: give a model that measured it too")
                continue
            bound *= baseline[name]
            text = f"{limit} = {bound:.6g}"
        if not _COMPARE[match[1]](metrics[name], bound):
            problems.append(f"{name} is {metrics[name]:.6g}, required {text}")
    return problems
