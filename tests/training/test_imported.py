"""Models that somebody else trained."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from support import Small, good_rows, scores, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.trust import ModelAccess, Trust
from airflow_batchscore.training.imported import import_model
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

FEATURES = ["a", "b"]


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(60, 1000))
    return made


def _rows(data: Small, partition: int) -> pd.DataFrame:
    return pd.read_csv(data.folder / f"part_{partition}.csv")


def _fitted(data: Small) -> LogisticRegression:
    raw = _rows(data, 0)
    return LogisticRegression(C=0.1).fit(raw[FEATURES].astype(float), raw["label"])


def _take(data: Small, source: Any, **options: Any) -> TrainedModel:
    found = import_model(source, **options)
    return train(TrainingJob(data.dataset, [0], data.recipe, found, f"{data.folder}/taken"))


def _check(data: Small, trained: TrainedModel, expected: Any) -> None:
    ((manifest, _),) = replace(data, model=trained.ref).score(1)
    np.testing.assert_allclose(scores(manifest)["prediction"], np.asarray(expected), rtol=1e-6)
    assert trained.manifest.training.rows_trained == 0
    assert trained.manifest.metrics_on == "rows of p=0"


@pytest.mark.unit
def test_a_pickle_is_taken_over_byte_by_byte_when_its_digest_is_named(data: Small) -> None:
    model, path = _fitted(data), data.folder / "theirs.joblib"
    joblib.dump(model, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    trained = _take(data, str(path), sha256=digest.upper())
    assert trained.ref.digest == digest
    assert (Path(trained.ref.uri) / trained.manifest.file).read_bytes() == path.read_bytes()
    _check(data, trained, model.predict(_rows(data, 1)[FEATURES].astype(float)))
    assert _take(data, str(path), sha256=digest).reused


@pytest.mark.unit
def test_files_of_other_libraries_are_known_by_their_suffix(data: Small) -> None:
    import skl2onnx
    from xgboost import XGBClassifier

    raw = _rows(data, 0)
    boosted = XGBClassifier(n_estimators=5).fit(raw[FEATURES].astype(float), raw["label"])
    boosted.save_model(data.folder / "theirs.ubj")
    trained = _take(data, str(data.folder / "theirs.ubj"))
    assert trained.manifest.flavor == "xgboost"
    _check(data, trained, boosted.predict(_rows(data, 1)[FEATURES].astype(float)))
    graph = skl2onnx.to_onnx(_fitted(data), raw[FEATURES].to_numpy(np.float32)[:1])
    (data.folder / "theirs.onnx").write_bytes(graph.SerializeToString())
    trained = _take(data, str(data.folder / "theirs.onnx"))
    _check(data, trained, _fitted(data).predict(_rows(data, 1)[FEATURES].astype(float)))


@pytest.mark.unit
def test_a_lightgbm_booster_gets_its_columns_in_its_own_order_and_can_be_compiled(data: Small) -> None:
    import lightgbm

    raw = _rows(data, 0)
    rows = lightgbm.Dataset(raw[FEATURES[::-1]].astype(float), raw["label"])
    booster = lightgbm.train({"objective": "regression", "min_data_in_leaf": 1, "verbose": -1}, rows, 5)
    path = data.folder / "theirs.txt"
    booster.save_model(path)
    imported = import_model(str(path), flavor_name="lightgbm")
    made = train(
        TrainingJob(data.dataset, [0], data.recipe, imported, f"{data.folder}/taken", accelerate=True, metrics=["r2"])
    )
    assert (Path(made.ref.uri) / made.manifest.file).read_bytes() == path.read_bytes()
    _check(data, made, booster.predict(_rows(data, 1)[FEATURES[::-1]].astype(float)))


@pytest.mark.unit
def test_a_function_may_give_the_model(data: Small) -> None:
    import flavored_models

    for source in (flavored_models.trained, FunctionRef.of("flavored_models:trained")):
        trained = _take(data, source)
        _check(data, trained, flavored_models.trained().predict(_rows(data, 1)[FEATURES].astype(float)))


@pytest.mark.unit
@pytest.mark.parametrize("source", ["flavored_models:trained", "os:getcwd", "subprocess:run"])
def test_a_text_is_never_taken_for_a_function(source: str) -> None:
    with pytest.raises(ModelError, match="is the import path of a function, and was not called"):
        import_model(source)


class Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


RUNS_CODE = ("joblib", "torch", "torch-state", "mlflow", "flavored_models:JsonMeans")
SAFE = ("onnx", "xgboost", "lightgbm", "skops")


@pytest.mark.unit
@pytest.mark.parametrize(
    "name",
    [*RUNS_CODE, "airflow_batchscore.model.flavors.joblib:Joblib", "airflow_batchscore.model.flavors.mlflow:MLflow"],
)
def test_a_file_of_a_flavour_that_can_run_code_needs_its_digest(data: Small, name: str) -> None:
    path, mark = data.folder / "theirs.onnx", data.folder / "mark"
    joblib.dump(Payload(mark), path)
    trusted = Trust(prefixes=(Location(str(data.folder)),))
    for trust in (Trust(), trusted):
        with pytest.raises(ModelError, match="can run code that is in it; say which bytes .* sha256="):
            import_model(str(path), flavor_name=name, access=ModelAccess(trust=trust))
    assert not mark.exists()


@pytest.mark.unit
@pytest.mark.parametrize("name", [*SAFE, "airflow_batchscore.model.flavors.skops:Skops"])
@pytest.mark.parametrize("dump", [pickle.dumps, lambda value: _joblib(value)])
def test_a_pickle_by_another_name_runs_nothing(data: Small, name: str, dump: Callable[[Any], bytes]) -> None:
    path, mark = data.folder / "theirs.ubj", data.folder / "mark"
    path.write_bytes(dump(Payload(mark)))
    with pytest.raises(ModelError, match="cannot be loaded as"):
        import_model(str(path), flavor_name=name)
    assert not mark.exists()


def _joblib(value: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=3)
    return buffer.getvalue()


@pytest.mark.unit
def test_flavours_that_say_nothing_are_taken_to_run_code() -> None:
    assert [name for name in (*RUNS_CODE, *SAFE) if flavor(name).runs_code] == [*RUNS_CODE]


@pytest.mark.unit
@pytest.mark.parametrize(
    "source",
    [
        "{folder}/trusted/../theirs.onnx",
        "{folder}/trusted/%2e%2e/theirs.onnx",
        "models:/wta/../atp@champion",
        "models:///wta@champion",
        "runs:/1/%2e%2e/model",
    ],
)
def test_a_source_that_leads_elsewhere_than_it_says_is_refused(data: Small, source: str) -> None:
    for trust in (Trust(), Trust(prefixes=(Location(f"{data.folder}/trusted"), Location("models:/wta")))):
        with pytest.raises(InputError, match="decoded"):
            import_model(source.format(folder=data.folder), access=ModelAccess(trust=trust))


@pytest.mark.unit
@pytest.mark.parametrize("source", ["models://registry@evil.example/wta/1", "runs://profile@databricks/1/model"])
def test_a_source_names_no_server_of_mlflow(source: str) -> None:
    with pytest.raises(ModelError, match="give flavor="):
        import_model(source)
    with pytest.raises(InputError, match="no storage is known"):
        import_model(source, flavor_name="onnx")


@pytest.mark.unit
def test_a_source_that_is_a_link_out_of_the_trusted_folder_is_not_followed(data: Small) -> None:
    trusted, theirs = data.folder / "trusted", data.folder / "theirs.onnx"
    theirs.write_bytes(b"a graph")
    trusted.mkdir()
    (trusted / "ours.onnx").symlink_to(theirs)
    with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
        import_model(str(trusted / "ours.onnx"), access=ModelAccess(trust=Trust(prefixes=(Location(str(trusted)),))))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("{folder}/theirs.joblib", {}, "loading a joblib file can run code that is in it; say which bytes .* sha256="),
        ("{folder}/theirs.joblib", {"sha256": "0" * 64}, "has SHA-256 .*: it is another file, and was not loaded"),
        ("{folder}/none.onnx", {}, "none.onnx does not exist: check the URI"),
        ("{folder}/theirs.model", {}, "what it is does not show from its name; give flavor="),
        ("{folder}/theirs.onnx", {}, "cannot be loaded as onnx"),
        (
            "{folder}/theirs.onnx",
            {"access": ModelAccess(trust=Trust(prefixes=(Location("s3://models/", "aws"),)))},
            "lies below none of the trusted URIs",
        ),
        (
            "models:/wta@champion",
            {"access": ModelAccess(trust=Trust(prefixes=(Location("s3://models/", "aws"),)))},
            "needs mlflow|none of the trusted URIs",
        ),
        (
            FunctionRef.of("flavored_models:broken"),
            {},
            "factory flavored_models:broken failed: RuntimeError: the weights",
        ),
    ],
)
def test_what_cannot_or_must_not_be_loaded_is_refused(
    data: Small, source: Any, options: dict[str, Any], message: str
) -> None:
    joblib.dump(_fitted(data), data.folder / "theirs.joblib")
    (data.folder / "theirs.onnx").write_bytes(b"not a graph")
    (data.folder / "theirs.model").write_bytes(b"")
    with pytest.raises(ModelError, match=message):
        _take(data, source.format(folder=data.folder) if isinstance(source, str) else source, **options)


@pytest.mark.flavors
def test_the_factory_of_a_state_dict_is_code_of_the_imported_model(data: Small) -> None:
    import flavored_models

    raw, path = _rows(data, 0), data.folder / "theirs.pt"
    network = flavored_models.Network().fit(raw[FEATURES].astype(float), raw["label"])
    path.write_bytes(flavor("torch-state").dump(network, raw[FEATURES]))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found = import_model(str(path), flavor_name="torch-state", sha256=digest)
    trained = train(TrainingJob(data.dataset, [0], data.recipe, found, f"{data.folder}/taken", metrics=[]))
    assert trained.ref.digest == digest
    assert trained.manifest.code == {"flavored_models:network": FunctionRef("flavored_models:network").digest}
