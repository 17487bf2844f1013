"""What `ImportModelOperator` takes as a source, and what it checks before the model is a version."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import executed
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from support import good_rows, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.model.reference import resolve
from airflow_batchscore.operators import ImportModelOperator
from airflow_batchscore.operators.seal import unseal

pytestmark = pytest.mark.dag


def _made() -> LogisticRegression:
    """Somebody else's model."""
    return LogisticRegression().fit(pd.DataFrame({"a": [0, 1, 2, 3], "b": [1, 0, 1, 0]}), [0, 0, 1, 1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "part_0.csv", good_rows(60))
    joblib.dump(_made(), tmp_path / "theirs.joblib")
    return tmp_path


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / "theirs.joblib").read_bytes()).hexdigest()


def _imported(folder: Path, source: Any, *, params: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    operator = ImportModelOperator(
        task_id="take",
        source=source,
        dataset=PartitionedDataset(f"{folder}/part_{{p}}.csv"),
        partitions=[0],
        recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
        model_uri=f"{folder}/taken",
        **options,
    )
    returned: dict[str, Any] = executed(operator, params=params or {})
    return returned


def test_a_file_becomes_a_measured_version_that_an_alias_names(folder: Path) -> None:
    digest = _digest(folder)
    taken = _imported(folder, f"{folder}/theirs.joblib", sha256=digest, alias="champion", metrics=["accuracy"])
    value = unseal("model", taken, "model", "d/r", {"take"})
    ref = resolve(f"{folder}/taken@champion")
    assert (value["model"], value["digest"], value["digest"]) == (ref.uri, ref.digest, digest)
    assert list(value["metrics"]) == ["accuracy"]


@pytest.mark.parametrize("sha256", ["0" * 64, None])
def test_a_file_that_can_run_code_is_loaded_by_its_digest_alone(folder: Path, sha256: str | None) -> None:
    said = "it is another file, and was not loaded" if sha256 else "sha256"
    with pytest.raises(AirflowFailException, match=said):
        _imported(folder, f"{folder}/theirs.joblib", sha256=sha256)
    assert not (folder / "taken").exists()


def test_who_triggers_a_run_does_not_name_the_digest(folder: Path) -> None:
    with pytest.raises(AirflowFailException, match="sha256 comes from the run's params or an XCom"):
        _imported(folder, f"{folder}/theirs.joblib", sha256="{{ params.sha256 }}", params={"sha256": _digest(folder)})
    assert not (folder / "taken").exists()


def test_a_function_is_a_source_where_the_dag_says_so_and_nowhere_else(folder: Path) -> None:
    assert _imported(folder, _made)["version"] == _imported(folder, "test_import_model:_made")["version"]
    for source in ("{{ params.source }}", "test_import_model:{{ params.name }}"):
        with pytest.raises(AirflowFailException, match="is the import path of a function, and was not called"):
            _imported(folder, source, params={"source": "test_import_model:_made", "name": "_made"})


def test_predictions_that_are_not_as_expected_keep_the_model_out(folder: Path) -> None:
    rows = [{"a": 0, "b": 1, "expected": 0}, {"a": 3, "b": 0, "expected": 1}]
    wrong = [rows[0], {**rows[1], "expected": 0}]
    with pytest.raises(AirflowFailException, match="expected"):
        _imported(folder, _made, check=wrong)
    assert not (folder / "taken").exists()
    write_csv(folder / "rows.csv", [(0, 1, 0), (3, 0, 1)], header=("a", "b", "expected"))
    assert (
        _imported(folder, _made, check=rows)["version"]
        == _imported(folder, _made, check=f"{folder}/rows.csv")["version"]
    )


def test_a_source_that_does_not_exist_is_named(folder: Path) -> None:
    with pytest.raises(AirflowFailException, match="nothing.onnx"):
        _imported(folder, f"{folder}/nothing.onnx")


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(3, random_state=0).fit(
        pd.DataFrame({"a": [0, 1, 2, 3], "b": [1, 0, 1, 0]}), [0, 0, 1, 1]
    )


def test_an_imported_model_of_trees_is_compiled_where_that_is_asked_for(folder: Path) -> None:
    assert str(resolve(_imported(folder, _forest, accelerate=True)["model"]).compiled).startswith("onedal:")
    assert resolve(_imported(folder, _forest)["model"]).compiled is None
