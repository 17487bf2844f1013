"""The operators, loaded when they are first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batchscore.compat import require_airflow

require_airflow()

if TYPE_CHECKING:
    from airflow_batchscore.operators.announce_partitions import AnnouncePartitionsOperator
    from airflow_batchscore.operators.check_model import CheckModelOperator
    from airflow_batchscore.operators.check_scores import CheckScoresOperator
    from airflow_batchscore.operators.clean_staging import CleanStagingOperator
    from airflow_batchscore.operators.combine import CombineOperator
    from airflow_batchscore.operators.evaluate import EvaluateOperator
    from airflow_batchscore.operators.import_model import ImportModelOperator
    from airflow_batchscore.operators.plan import PlanPartitionsOperator
    from airflow_batchscore.operators.score import ScorePartitionOperator
    from airflow_batchscore.operators.train import TrainOperator

_HOMES = {
    "AnnouncePartitionsOperator": "announce_partitions",
    "CheckModelOperator": "check_model",
    "CheckScoresOperator": "check_scores",
    "CleanStagingOperator": "clean_staging",
    "CombineOperator": "combine",
    "EvaluateOperator": "evaluate",
    "ImportModelOperator": "import_model",
    "PlanPartitionsOperator": "plan",
    "ScorePartitionOperator": "score",
    "TrainOperator": "train",
}
__all__ = [
    "AnnouncePartitionsOperator",
    "CheckModelOperator",
    "CheckScoresOperator",
    "CleanStagingOperator",
    "CombineOperator",
    "EvaluateOperator",
    "ImportModelOperator",
    "PlanPartitionsOperator",
    "ScorePartitionOperator",
    "TrainOperator",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
