"""Manifests that were never scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_batchscore.data.dataset import InputFile
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import BlockResult, Manifest
from airflow_batchscore.scoring.manifest_numbers import numbered


def block(index: int, account: Account, **options: Any) -> BlockResult:
    fields: dict[str, Any] = {"features": {}, "predictions": {}, "rows": account.rows_scored, **options}
    return BlockResult(index, f"part-0-{index:05d}.parquet", None, 10, account, inputs="f" * 64, **fields)


def manifest(folder: Path, number: int = 1, **options: Any) -> Manifest:
    blocks = options.pop("blocks", [block(0, Account(5, 4, 1, 0)), block(1, Account(3, 2, 0, 1))])
    fields: dict[str, Any] = {
        "partition": {"year": "2015"},
        "identity": "i" * 64,
        "dataset": "/data/{year}.csv",
        "files": [InputFile("/data/2015.csv", 10, "tag")],
        "model": ModelRef("/m/v1", "d" * 64),
        "method": "predict",
        "keys": ["id"],
        "schema": {"id": "int64", "prediction": "double"},
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 2.0,
        "rows_this_attempt": 8,
        "engine": {"kind": "LocalDask"},
        "version": "0",
        "layout": "l" * 64,
        "account": sum((block.account for block in blocks), Account()),
    }
    uri = numbered(Location(str(folder)), number).uri
    return Manifest(uri=uri, blocks=blocks, **{**fields, **options})
