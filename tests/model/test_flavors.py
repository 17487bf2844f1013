"""Every flavour: train, save, verify, load and score, equal to what the library itself predicts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import run_command
from support import ROOT, Small, good_rows, scores, small

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.training.fit import make_estimator
from airflow_batchscore.training.train import TrainingJob, train

FEATURES = ["a", "b"]
HERE = [
    ("joblib", "sklearn.naive_bayes:GaussianNB", ["predict", "predict_proba"]),
    ("skops", "sklearn.linear_model:LogisticRegression", ["predict", "predict_proba"]),
    ("xgboost", "xgboost:XGBClassifier", ["predict", "predict_proba"]),
    ("xgboost", "xgboost:XGBRegressor", ["predict"]),
    ("lightgbm", "lightgbm:LGBMClassifier", ["predict", "predict_proba"]),
    ("lightgbm", "lightgbm:LGBMRegressor", ["predict"]),
    ("onnx", "sklearn.linear_model:LogisticRegression", ["predict", "predict_proba"]),
    ("onnx", "sklearn.linear_model:LinearRegression", ["predict"]),
    ("flavored_models:JsonMeans", "flavored_models:Means", ["predict"]),
]
#: Their libraries do not live in one environment with Airflow; `make test-flavors` makes one for them.
ELSEWHERE = [
    ("torch", "flavored_models:Network", ["predict"]),
    ("torch-state", "flavored_models:Network", ["predict"]),
    ("mlflow", "sklearn.linear_model:LogisticRegression", ["predict", "predict_proba"]),
]


@pytest.fixture
def data(tmp_path: Path) -> Small:
    artifact._loaded.clear()
    made = small(tmp_path)
    rows = [(n, (n % 17) / 4, n % 7, (n % 17 > 8) + (n % 7 > 4)) for n in range(300)]
    made.add(0, rows)
    made.add(1, good_rows(120, 1000))
    return made


def _cases(cases: list[tuple[str, str, list[str]]], marker: str) -> list[Any]:
    return [
        pytest.param(*case, marks=getattr(pytest.mark, marker), id=f"{case[0]} {case[1].rpartition(':')[2]}")
        for case in cases
    ]


@pytest.mark.parametrize(("kind", "estimator", "methods"), [*_cases(HERE, "unit"), *_cases(ELSEWHERE, "flavors")])
def test_a_flavour_keeps_what_the_library_predicts(data: Small, kind: str, estimator: str, methods: list[str]) -> None:
    trained = train(TrainingJob(data.dataset, [0], data.recipe, estimator, f"{data.folder}/m", flavor=kind))
    assert trained.manifest.flavor == kind
    raw = pd.read_csv(data.folder / "part_0.csv")
    own = make_estimator(estimator).fit(raw[FEATURES].astype(float), raw["label"])
    made = replace(data, model=trained.ref)
    for method in methods:
        ((manifest, _),) = made.score(1, method=method, block_rows=50)
        assert manifest.account.rows_scored == 120
        found = scores(manifest).drop(columns="id").to_numpy().squeeze()
        expected = getattr(own, method)(pd.read_csv(data.folder / "part_1.csv")[FEATURES].astype(float))
        # ONNX calculates in float32.
        np.testing.assert_allclose(
            found, np.asarray(expected).squeeze(), rtol=1e-4 if kind in ("onnx", "torch") else 1e-6
        )
    path = Path(trained.ref.uri) / trained.manifest.file
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    artifact._loaded.clear()
    with pytest.raises(ModelError, match="was altered or damaged and was not loaded"):
        made.score(1, token="again")


@pytest.mark.unit
def test_auto_goes_by_the_library(data: Small) -> None:
    for estimator, kind in (
        ("xgboost:XGBRegressor", "xgboost"),
        ("lightgbm:LGBMRegressor", "lightgbm"),
        ("sklearn.linear_model:Ridge", "joblib"),
    ):
        trained = train(TrainingJob(data.dataset, [0], data.recipe, estimator, f"{data.folder}/auto"))
        assert trained.manifest.flavor == kind
        assert kind == "joblib" or trained.manifest.libraries[kind]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("kind", "estimator", "message"),
    [
        ("xgboost", "sklearn.linear_model:Ridge", "Ridge is no estimator of XGBoost; save a pipeline .* with joblib"),
        ("lightgbm", "sklearn.linear_model:Ridge", "Ridge is no estimator of LightGBM"),
        ("onnx", "strange_models:Picky", "Picky cannot be converted to ONNX"),
        ("nothing", "sklearn.linear_model:Ridge", "flavour 'nothing' is unknown; there are auto, joblib, lightgbm"),
        ("no_such_module:X", "sklearn.linear_model:Ridge", "the flavour 'no_such_module:X' cannot be imported"),
        ("json:dumps", "sklearn.linear_model:Ridge", "json:dumps is not a class that derives from Flavor"),
    ],
)
def test_an_estimator_that_is_not_of_the_flavour_is_refused_and_leaves_nothing(
    data: Small, kind: str, estimator: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        train(TrainingJob(data.dataset, [0], data.recipe, estimator, f"{data.folder}/none", flavor=kind))
    assert not (data.folder / "none").exists()


@pytest.mark.unit
def test_a_wrapper_of_dask_ml_gives_way_to_what_it_wraps(data: Small) -> None:
    from dask_ml.wrappers import ParallelPostFit
    from sklearn.linear_model import LogisticRegression

    trained = train(
        TrainingJob(data.dataset, [0], data.recipe, ParallelPostFit(LogisticRegression()), f"{data.folder}/w")
    )
    assert type(artifact.load(trained.ref).estimator) is LogisticRegression
    assert "decision_function" in trained.manifest.signature.outputs  # which the wrapper does not have


def _run(code: str) -> subprocess.CompletedProcess[str]:
    script = f"import sys\nsys.path[:0] = [{str(ROOT / 'tests')!r}]\n{code}"
    return run_command([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [
        ("skops", "skops.io", "skops"),
        ("xgboost", "xgboost", "xgboost"),
        ("lightgbm", "lightgbm", "lightgbm"),
        ("onnx", "onnxruntime", "onnx"),
        ("torch", "torch", "torch"),
        ("torch-state", "torch", "torch"),
        ("mlflow", "mlflow", "mlflow"),
    ],
)
def test_a_library_that_is_not_there_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, kind: str, module: str, extra: str
) -> None:
    kept = flavor(kind)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=rf"needs {module.partition('.')[0]}, .*airflow-batchscore\[{extra}\]', on"):
        kept.load(b"", ())


@pytest.mark.slow
@pytest.mark.unit
def test_a_library_that_is_not_used_is_never_imported(data: Small) -> None:
    done = _run(
        "from pathlib import Path\nfrom support import small, good_rows\n"
        f"data = small(Path({str(data.folder / 'plain')!r}))\ndata.add(1, good_rows(50))\ndata.score(1)\n"
        "optional = {'skops', 'xgboost', 'lightgbm', 'onnx', 'onnxruntime', 'torch', 'mlflow', 'dask_ml'}\n"
        "print(sorted(optional & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]", done.stderr
