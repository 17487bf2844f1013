"""Scoring inside Spark: a model as a DataFrame column, and one table scored into another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batchscore.spark.table import score_table
    from airflow_batchscore.spark.udf import predict_udf

_HOMES = {"predict_udf": "udf", "score_table": "table"}
__all__ = ["predict_udf", "score_table"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
