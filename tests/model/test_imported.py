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
from sklearn.linear_model import LinearRegression, LogisticRegression
from support import Small, good_rows, scores, small

from airflow_batchscore import Recipe
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model.flavors import flavor, runs_code
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.imported import import_model
from airflow_batchscore.model.imported_check import check_predictions
from airflow_batchscore.model.training import TrainedModel, TrainingJob, look, train
from airflow_batchscore.model.trust import Trust

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


def _checked(data: Small, estimator: Any, check: Any, **options: Any) -> int:
    recipe = Recipe(**{"target": "label", "keys": ["id"], "columns": FEATURES, **options})
    types = look(TrainingJob(data.dataset, [0], recipe, None, "")).types
    return check_predictions(estimator, recipe, check, data.dataset, types)


@pytest.mark.unit
@pytest.mark.parametrize("suffix", ["csv", "parquet", "dicts"])
def test_predictions_of_where_a_model_was_made_are_held_against_those_here(data: Small, suffix: str) -> None:
    model, rows = _fitted(data), _rows(data, 1)
    rows["expected"] = model.predict(rows[FEATURES].astype(float))

    def given() -> Any:
        path = f"{data.folder}/check.{suffix}"
        if suffix == "dicts":
            return rows.to_dict("records")
        rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)
        return path

    assert _checked(data, model, given()) == 60
    rows.loc[[7, 31], "expected"] = 1 - rows.loc[[7, 31], "expected"]
    with pytest.raises(ModelError, match=r"for 2 of 60 rows of check=: row 7: \d, expected '?\d.*row 31"):
        _checked(data, model, given())


@pytest.mark.unit
def test_a_check_sees_the_frames_that_the_recipe_will_see(data: Small) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[FEATURES].assign(a=frame["a"] * 2)[frame["b"] > 0]

    raw = _rows(data, 0)
    model = LinearRegression().fit(raw[FEATURES].astype(float), raw["label"])
    rows = [{"id": n, "a": n % 5, "b": n % 3, "label": 0} for n in range(12)]
    known = features(pd.DataFrame(rows)[FEATURES].astype(float))
    predicted = dict(zip(known.index, model.predict(known), strict=True))
    expected = [{**row, "expected": predicted.get(place)} for place, row in enumerate(rows)]
    assert _checked(data, model, expected, features=features) == 12
    with pytest.raises(ModelError, match="another order of columns"):
        _checked(data, model, [{**row, "a": row["b"], "b": row["a"]} for row in expected], features=features)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("check", "message"),
    [
        ([{"a": 1.0, "expected": 1}], r"rows lack the columns \['b'\]"),
        ([], "there is no row"),
        ([{"a": 1.0, "b": 1, "expected": 1}, {"a": 1.0, "b": 1, "expected": "x"}], "values of several kinds"),
        ("nowhere.csv", "check='nowhere.csv' is not there"),
    ],
)
def test_a_check_that_cannot_be_made_says_why(data: Small, check: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _checked(data, _fitted(data), check)


class _Label:
    """A model of one label."""

    def __init__(self, label: str) -> None:
        self._label = label

    def predict(self, features: Any) -> Any:
        return np.full(len(features), self._label, dtype=object)


@pytest.mark.unit
@pytest.mark.parametrize("suffix", ["csv", "dicts"])
@pytest.mark.parametrize(
    ("label", "expected", "same"),
    [
        ("007", "007", True),
        ("007", "7", False),
        ("1e3", "1000", False),
        ("nan", None, False),
        ("True", "True", True),
        ("7", 7, True),
    ],
)
def test_labels_are_the_same_letter_by_letter(data: Small, suffix: str, label: str, expected: Any, same: bool) -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "expected": [expected, expected]}, dtype=object)
    check: Any = rows.to_dict("records")
    if suffix == "csv":
        check = f"{data.folder}/check.csv"
        rows.to_csv(check, index=False)
    if same:
        assert _checked(data, _Label(label), check) == 2
    else:
        with pytest.raises(ModelError, match="something else here than where it was made for 2 of 2 rows"):
            _checked(data, _Label(label), check)


@pytest.mark.unit
def test_a_check_whose_rows_the_recipe_leaves_out_compares_nothing_and_fails(data: Small) -> None:
    rows = [{"id": n, "a": None, "b": 1, "label": 0, "expected": None} for n in range(3)]
    with pytest.raises(ModelError, match="leaves out all 3 rows of check=, so that nothing was compared"):
        _checked(data, _fitted(data), rows, features=lambda frame: frame.dropna())


def _check(data: Small, trained: TrainedModel, expected: Any) -> None:
    ((manifest, _),) = replace(data, model=trained.ref).score(1)
    np.testing.assert_allclose(scores(manifest)["prediction"], np.asarray(expected), rtol=1e-6)
    assert trained.manifest.training["rows_trained"] == 0
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
    [*RUNS_CODE, "airflow_batchscore.model.flavors.scikit:Joblib", "airflow_batchscore.model.flavors.mlflow:MLflow"],
)
def test_a_file_of_a_flavour_that_can_run_code_needs_its_digest(data: Small, name: str) -> None:
    path, mark = data.folder / "theirs.onnx", data.folder / "mark"
    joblib.dump(Payload(mark), path)
    trusted = Trust(prefixes=((None, str(data.folder)),))
    for trust in (Trust(), trusted):
        with pytest.raises(ModelError, match="can run code that is in it; say which bytes .* sha256="):
            import_model(str(path), flavor_name=name, trust=trust)
    assert not mark.exists()


@pytest.mark.unit
@pytest.mark.parametrize("name", [*SAFE, "airflow_batchscore.model.flavors.scikit:Skops"])
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
    assert [name for name in (*RUNS_CODE, *SAFE) if runs_code(flavor(name))] == [*RUNS_CODE]


@pytest.mark.unit
def test_a_graph_that_names_files_of_the_worker_reads_none(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx

    monkeypatch.chdir(data.folder)
    (data.folder / "airflow.cfg").write_bytes(b"jwt_secret=canary")
    weights = onnx.TensorProto(name="w", data_type=onnx.TensorProto.UINT8, dims=[17])
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "airflow.cfg"), ("offset", "0"), ("length", "17")):
        weights.external_data.add(key=key, value=value)
    given = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    made = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, [17])
    initial = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["w"], ["y"])], "g", [given], [made], [weights])
    constant = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["y"], value=weights)], "g", [given], [made]
    )
    for graph in (initial, constant):
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        (data.folder / "theirs.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match="its weights 'w' lie in a file beside it"):
            import_model(str(data.folder / "theirs.onnx"))


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
    for trust in (Trust(), Trust(prefixes=((None, f"{data.folder}/trusted"), (None, "models:/wta")))):
        with pytest.raises(InputError, match="decoded"):
            import_model(source.format(folder=data.folder), trust=trust)


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
        import_model(str(trusted / "ours.onnx"), trust=Trust(prefixes=((None, str(trusted)),)))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("{folder}/theirs.joblib", {}, "loading a joblib file can run code that is in it; say which bytes .* sha256="),
        ("{folder}/theirs.joblib", {"sha256": "0" * 64}, "has SHA-256 .*: it is another file, and was not loaded"),
        ("{folder}/none.onnx", {}, "none.onnx is not there: check the URI"),
        ("{folder}/theirs.model", {}, "what it is does not show from its name; give flavor="),
        ("{folder}/theirs.onnx", {}, "cannot be loaded as onnx"),
        (
            "{folder}/theirs.onnx",
            {"trust": Trust(prefixes=(("aws", "s3://models/"),))},
            "lies below none of the trusted URIs",
        ),
        (
            "models:/wta@champion",
            {"trust": Trust(prefixes=(("aws", "s3://models/"),))},
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
def test_a_model_of_an_mlflow_registry_by_its_alias(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    registry = f"sqlite:///{data.folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    mlflow.set_tracking_uri(registry)
    mlflow.create_experiment("wta", artifact_location=(data.folder / "artifacts").as_uri())
    mlflow.set_experiment("wta")
    model = _fitted(data)
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name="wta", serialization_format="cloudpickle", pip_requirements=[]
        )
    mlflow.MlflowClient().set_registered_model_alias("wta", "champion", "1")
    trained = _take(data, "models:/wta@champion")
    assert trained.manifest.flavor == "mlflow"
    _check(data, trained, model.predict(_rows(data, 1)[FEATURES].astype(float)))
    ((manifest, _),) = replace(data, model=trained.ref).score(1, method="predict_proba")
    assert list(manifest.schema) == ["id", "prediction_0", "prediction_1"]
    with pytest.raises(ModelError, match="cannot be read from MLflow .*nobody"):
        import_model("models:/wta@nobody")


@pytest.mark.flavors
def test_a_python_model_of_mlflow_has_its_predict(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    class Sums(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            return (model_input["a"] + model_input["b"]).to_numpy()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{data.folder}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{data.folder}/mlflow.db")
    mlflow.create_experiment("sums", artifact_location=(data.folder / "artifacts").as_uri())
    mlflow.set_experiment("sums")
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model", python_model=Sums(), registered_model_name="sums", pip_requirements=[]
        )
    trained = _take(data, f"models:/sums/{logged.registered_model_version}")
    raw = _rows(data, 1)
    _check(data, trained, raw["a"] + raw["b"])
