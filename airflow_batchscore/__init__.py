"""Batch scoring for Apache Airflow: train on a subset, score every partition, audit, publish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batchscore.api.clean import clean_staging
    from airflow_batchscore.api.estimate import estimate
    from airflow_batchscore.api.model import load
    from airflow_batchscore.api.models import models
    from airflow_batchscore.api.plan import plan_run
    from airflow_batchscore.api.preview import preview
    from airflow_batchscore.api.reach import register_connection
    from airflow_batchscore.api.runs import runs
    from airflow_batchscore.api.score import combine, score
    from airflow_batchscore.api.train import promote, train
    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.data.storage.location import Location
    from airflow_batchscore.data.tables.kinds import Delta, Iceberg
    from airflow_batchscore.engine.dask import DaskCluster
    from airflow_batchscore.engine.local import LocalDask
    from airflow_batchscore.engine.spark import Spark
    from airflow_batchscore.model.recipe import Recipe
    from airflow_batchscore.model.trust import Trust
    from airflow_batchscore.plan.policy import ModelPolicy

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
    "clean_staging",
    "combine",
    "estimate",
    "load",
    "models",
    "plan_run",
    "preview",
    "promote",
    "register_connection",
    "runs",
    "score",
    "train",
]

_HOMES = {
    "DaskCluster": "engine.dask",
    "Delta": "data.tables.kinds",
    "Iceberg": "data.tables.kinds",
    "LocalDask": "engine.local",
    "Location": "data.storage.location",
    "ModelPolicy": "plan.policy",
    "PartitionedDataset": "data.dataset",
    "Recipe": "model.recipe",
    "Spark": "engine.spark",
    "Trust": "model.trust",
    "clean_staging": "api.clean",
    "combine": "api.score",
    "estimate": "api.estimate",
    "load": "api.model",
    "models": "api.models",
    "plan_run": "api.plan",
    "preview": "api.preview",
    "promote": "api.train",
    "register_connection": "api.reach",
    "runs": "api.runs",
    "score": "api.score",
    "train": "api.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
