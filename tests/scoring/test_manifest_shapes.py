"""A manifest's file, and manifests that were written before it said what scored the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from support import Small, good_rows, small

from airflow_batchscore.data.storage import json_bytes
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import Chosen, ModelPerPartition
from airflow_batchscore.scoring.job import FunctionJob
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("data"))
    made.add(1, good_rows(5, 1))
    return made


def half(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["a"]] / 2


def _options(data: Small, kind: str) -> dict[str, object]:
    if kind == "function":
        return {"scored_with": FunctionJob(FunctionRef.of(half)), "keys": ("id",)}
    if kind == "per partition":
        return {"scored_with": ModelPerPartition({"p=1": Chosen(data.model, "fallback", "stale")}, data.model)}
    return {}


@pytest.mark.parametrize("kind", ["one", "per partition", "function"])
def test_a_manifest_says_what_scored_it_and_is_read_as_it_was_written(data: Small, kind: str, tmp_path: Path) -> None:
    ((manifest, _),) = data.score(1, output_uri=f"{tmp_path}/staged", **_options(data, kind))
    stored = Path(manifest.uri).read_bytes()
    read = Manifest.read(manifest.location)
    assert read == manifest
    assert manifest.is_function == (kind == "function")
    assert (manifest.model, manifest.choice) == {
        "one": (data.model, None),
        "per partition": (data.model, Chosen(data.model, "fallback", "stale")),
        "function": (None, None),
    }[kind]
    assert json_bytes({**manifest.to_dict(), "uri": json.loads(stored)["uri"]}) == stored


def test_the_file_keeps_the_version_beside_the_models_reference(data: Small, tmp_path: Path) -> None:
    ((manifest, _),) = data.score(1, output_uri=f"{tmp_path}/staged")
    kept = json.loads(Path(manifest.uri).read_text())
    reference = {**data.model.to_dict(), "compiled": None}
    assert kept["model"] == {**reference, "version": data.model.version}
    assert ModelRef.from_dict(kept["model"]) == data.model
    assert [sorted(file) for file in kept["files"]] == [["size", "tag", "uri"]]
