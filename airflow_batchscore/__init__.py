"""Batch scoring for Apache Airflow: train on a subset, score every partition, audit, publish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.data.storage.location import Location
    from airflow_batchscore.engine.dask import DaskCluster
    from airflow_batchscore.engine.local import LocalDask
    from airflow_batchscore.engine.spark import Spark
    from airflow_batchscore.model.recipe import Recipe
    from airflow_batchscore.model.trust import Trust
    from airflow_batchscore.plan.policy import ModelPolicy
    from airflow_batchscore.publish.tables import Delta, Iceberg

__version__ = "0.1.0"
__all__ = [
    "DaskCluster",
    "Delta",
    "Iceberg",
    "LocalDask",
    "Location",
    "ModelPolicy",
    "PartitionedDataset",
    "Recipe",
    "Spark",
    "Trust",
    "__version__",
]

_HOMES = {
    "DaskCluster": "engine.dask",
    "Delta": "publish.tables",
    "Iceberg": "publish.tables",
    "LocalDask": "engine.local",
    "Location": "data.storage.location",
    "ModelPolicy": "plan.policy",
    "PartitionedDataset": "data.dataset",
    "Recipe": "model.recipe",
    "Spark": "engine.spark",
    "Trust": "model.trust",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
