"""The file of a compiled model: the same bytes each time, numbers only, and another format is refused."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from compiled_models import fitted

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.compiled.ensembles import read_ensemble
from airflow_batchscore.model.compiled.stored import Stored

pytestmark = pytest.mark.unit

METHODS = {"predict": "int64", "predict_proba": "float64"}


def test_the_same_model_has_the_same_bytes() -> None:
    one, other = (
        Stored.of(read_ensemble(fitted("histogram boosting")[0]), METHODS, missing=True).to_bytes() for _ in range(2)
    )
    assert one == other
    again = Stored.from_bytes(one)
    assert again.to_bytes() == one
    assert again.header.methods == METHODS
    assert not again.header.rounds
    assert len(again.thresholds) == again.header.features == 4


def test_it_holds_numbers_and_no_code() -> None:
    data = Stored.of(read_ensemble(fitted("forest")[0]), METHODS, missing=True).to_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        assert json.loads(arrays["header"].tobytes())["link"] == "identity"
        assert {str(arrays[name].dtype) for name in arrays} == {"uint8", "int32", "float32", "float64"}


def test_another_format_is_refused() -> None:
    stored = Stored.of(read_ensemble(fitted("forest")[0]), METHODS, missing=True)
    data = replace(stored, header=replace(stored.header, format=7)).to_bytes()
    with pytest.raises(ModelError, match="has format 7, this version reads 1: compile it again"):
        Stored.from_bytes(data)
