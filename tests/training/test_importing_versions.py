"""An import of a model that another scikit-learn pickled: which error it makes, and what that error says."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
import sklearn
from commands import run_command
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.trust import OPEN_ACCESS
from airflow_batchscore.training.importing import ImportJob, import_version
from airflow_batchscore.training.train import TrainingJob

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("ignore:Trying to unpickle estimator")]

#: As long as the installed one, so that it can take its place in a pickle.
OTHER = re.sub(r"\d", "0", sklearn.__version__)
NAMED = (
    rf"The model was made with scikit-learn {re.escape(OTHER)} \(here {re.escape(sklearn.__version__)}\)\. "
    rf"Import it with environment=\['scikit-learn=={re.escape(OTHER)}'\], and give the scoring task the same: "
)


def _by_another_version(model: object) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue().replace(sklearn.__version__.encode(), OTHER.encode())


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    rows = pd.DataFrame(
        {"a": [1.0, 2.0, None, 4.0] * 15, "kind": ["x", "y", "z", "x"] * 15, "label": [0, 1, 0, 1] * 15}
    )
    rows.assign(id=range(60)).to_csv(tmp_path / "part_0.csv", index=False)
    return rows


def _fitted(frame: pd.DataFrame) -> Any:
    columns = make_column_transformer((SimpleImputer(), ["a"]), (OneHotEncoder(), ["kind"]))
    return make_pipeline(columns, LogisticRegression()).fit(frame[["a", "kind"]], frame["label"])


def _import(folder: Path, data: bytes, check: Any = None, name: str = "theirs.joblib") -> Any:
    (folder / name).write_bytes(data)
    recipe = Recipe(target="label", keys=["id"], columns=["a", "kind"])
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    version = TrainingJob(dataset, [0], recipe, None, f"{folder}/taken")
    digest = hashlib.sha256(data).hexdigest()
    return import_version(ImportJob(str(folder / name), version, OPEN_ACCESS, sha256=digest, check=check))


@pytest.mark.parametrize("checked", [True, False])
def test_an_error_of_predict_names_both_versions_and_no_cause_that_it_is_not(
    tmp_path: Path, frame: pd.DataFrame, checked: bool
) -> None:
    model = _fitted(frame)
    del model[0].transformers_[0][1]._fill_dtype  # as a pickle of scikit-learn 1.3 has none
    check = [{"a": 1.0, "kind": "x", "expected": 0}] if checked else None
    with pytest.raises(ModelError, match=rf"failed on .*no attribute '_fill_dtype'\. {NAMED}") as raised:
        _import(tmp_path, _by_another_version(model), check)
    assert "categories" not in str(raised.value)


def test_an_error_that_scikit_learn_itself_raises_on_the_way_names_both_versions(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    model = _fitted(frame)
    del model.transform_input  # as a pipeline of scikit-learn 1.3 has none, which get_params() asks for
    with pytest.raises(ModelError, match=rf"AttributeError: 'Pipeline' object has no attribute 'transf.*\. {NAMED}"):
        _import(tmp_path, _by_another_version(model))


def test_an_error_of_load_names_both_versions(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = _by_another_version(_fitted(frame)).replace(b"LogisticRegression", b"LogisticRegressiom")
    with pytest.raises(ModelError, match=rf"cannot be loaded as joblib: AttributeError: .*\. {NAMED}"):
        _import(tmp_path, data)


def test_predictions_that_differ_are_shown_with_the_versions(tmp_path: Path, frame: pd.DataFrame) -> None:
    check = [{"a": 1.0, "kind": "x", "expected": 7}]
    with pytest.raises(ModelError, match=rf"gives something else here than where it was made.*{NAMED}"):
        _import(tmp_path, _by_another_version(_fitted(frame)), check)


def test_an_error_of_a_model_of_this_version_says_nothing_of_versions(tmp_path: Path, frame: pd.DataFrame) -> None:
    model = _fitted(frame)
    del model[0].transformers_[0][1]._fill_dtype
    with pytest.raises(ModelError, match=r"no attribute '_fill_dtype'$"):
        _import(tmp_path, pickle.dumps(model), name="theirs.pkl")


def test_a_function_of_the_script_that_made_the_model_is_named_with_what_to_do(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    script = tmp_path / "notebook.py"
    script.write_text(
        "import sys, joblib\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "def clip(values): return values\n"
        "joblib.dump(FunctionTransformer(clip), sys.argv[1])\n"
    )
    made = tmp_path / "made.joblib"
    run_command([sys.executable, str(script), str(made)], check=True)
    message = "'clip' was defined in the script or notebook that made the model: put it into a module beside the DAGs"
    with pytest.raises(ModelError, match=f"cannot be loaded as joblib: .*{message}"):
        _import(tmp_path, made.read_bytes())
