"""A model for each partition, and what is done without one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from support import scores, write_csv

from airflow_batchscore import LocalDask, ModelPolicy, PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import resolve
from airflow_batchscore.plan.choose import choose, planned_coverage
from airflow_batchscore.plan.models import Chosen, ModelPerPartition
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.coverage import Coverage
from airflow_batchscore.publish.coverage import scored_coverage as covered
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob, train
from airflow_batchscore.training.train_many import ManyTrained, train_many

pytestmark = pytest.mark.unit

ROWS = 30
RECIPE = Recipe(target="y", keys=["id"], columns=["x"])


@pytest.fixture(autouse=True)
def _nothing_loaded() -> Iterator[None]:
    artifact._loaded.clear()
    yield
    artifact._loaded.clear()


def _sensors(folder: Path, count: int) -> PartitionedDataset:
    """``<sensor>.csv``: y is (sensor + 1) x, so that each model says whose it is."""
    for sensor in range(count):
        rows = [(sensor * 1000 + n, n, (sensor + 1) * n, sensor) for n in range(ROWS)]
        write_csv(folder / "data" / f"{sensor:04d}.csv", rows, header=("id", "x", "y", "sensor"))
    return PartitionedDataset(f"{folder}/data/{{sensor}}.csv")


def _run(function: Any, arguments: Any) -> Iterator[Any]:
    return (function(*argument) for argument in arguments)


def _train(folder: Path, dataset: PartitionedDataset, **options: Any) -> ManyTrained:
    job = TrainingJob(dataset, None, RECIPE, "sklearn.linear_model:LinearRegression", f"{folder}/models/{{sensor}}")
    return train_many(job, _run, alias="champion", **options)


def _names(folder: Path, dataset: PartitionedDataset) -> dict[str, str]:
    return {p.key: f"{folder}/models/{p.values['sensor']}@champion" for p in dataset.discover()}


def _score(folder: Path, dataset: PartitionedDataset, choices: Mapping[str, Chosen], **options: Any) -> list[Manifest]:
    like = next(choice.model for choice in choices.values() if choice.model)
    job = ScoringJob(dataset, ModelPerPartition(choices, like), f"{folder}/staged", **options)
    found = score_partitions(job, [p.values for p in dataset.discover()], LocalDask(workers=2))
    return [manifest for manifest, _ in found]


def _model(folder: Path, sensor: int) -> Path:
    return Path(resolve(f"{folder}/models/{sensor:04d}@champion").uri)


def test_each_partition_is_scored_with_its_own_model(tmp_path: Path) -> None:
    dataset = _sensors(tmp_path, 12)
    assert _train(tmp_path, dataset) == ManyTrained(trained=12)
    assert _train(tmp_path, dataset) == ManyTrained(reused=12)
    choices = choose(_names(tmp_path, dataset), ModelPolicy())
    manifests = _score(tmp_path, dataset, choices)
    for sensor, manifest in enumerate(manifests):
        np.testing.assert_allclose(scores(manifest)["prediction"], (sensor + 1) * np.arange(ROWS), atol=1e-9)
        assert manifest.model is not None
        assert manifest.model.uri == str(_model(tmp_path, sensor))
    seen = audit([m.partition for m in manifests], manifests, Limits(max_drift=10))
    assert seen.problems == []
    assert seen.figures.uncovered == 0
    assert covered(manifests) == Coverage(12, {})
    assert planned_coverage(list(choices.values())) == {"own model": 12}


def test_models_of_which_some_cannot_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = _sensors(tmp_path, 12)
    assert _train(tmp_path, dataset).trained == 12
    for sensor in (3, 8, 11):
        (tmp_path / "models" / f"{sensor:04d}" / "aliases" / "champion.json").unlink()
    (estimator,) = _model(tmp_path, 5).glob("*.joblib")
    estimator.write_bytes(estimator.read_bytes()[:-1] + b"?")
    (_model(tmp_path, 6) / "model.json").write_text("{")
    path = _model(tmp_path, 7) / "model.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps(made | {"libraries": made["libraries"] | {"scikit-learn": "0.24"}}))
    names = _names(tmp_path, dataset)

    with pytest.raises(ModelError) as refused:
        choose(names, ModelPolicy(other_version="fail"))
    assert str(refused.value).startswith("6 of 12 have no model that may be used: ")
    missing = [f"sensor={sensor}: missing" for sensor in ("0003", "0008", "0011")]
    for told in (*missing, "sensor=0005: damaged", "sensor=0006: damaged"):
        assert told in str(refused.value)
    assert "sensor=0007: other_version" in str(refused.value)
    assert "was trained with scikit-learn 0.24 (here" in str(refused.value)

    fallback = f"{tmp_path}/models/0000@champion"
    policy = ModelPolicy(missing="skip", damaged="skip", other_version="fallback", fallback=fallback)
    with caplog.at_level(logging.WARNING):
        choices = choose(names, policy)
    assert "sensor=0005: damaged, skipped" in caplog.text
    assert planned_coverage(list(choices.values())) == {
        "own model": 6,
        "missing, skipped": 3,
        "damaged, skipped": 2,
        "other_version, fallback": 1,
    }
    manifests = _score(tmp_path, dataset, choices)
    total = sum((manifest.account for manifest in manifests), Account())
    assert total == Account(12 * ROWS, 7 * ROWS, 5 * ROWS, 0)
    np.testing.assert_allclose(scores(manifests[7])["prediction"], np.arange(ROWS), atol=1e-9)  # by the fallback
    assert manifests[3].schema == manifests[0].schema
    found = covered(manifests)
    assert found is not None
    assert found.own == 6
    assert found.uncovered == {
        **{f"sensor={sensor:04d}: missing, skipped": ROWS for sensor in (3, 8, 11)},
        **{f"sensor={sensor:04d}: damaged, skipped": ROWS for sensor in (5, 6)},
        "sensor=0007: other_version, fallback": ROWS,
    }
    assert audit([m.partition for m in manifests], manifests).problems == []


def test_a_skipped_partition_gets_the_columns_that_the_others_have_now(tmp_path: Path) -> None:
    dataset = _sensors(tmp_path, 2)
    for target in ("y", "sensor_name"):
        for sensor in range(2):
            rows = [(n, n, n / 2, f"s{n % 2}") for n in range(ROWS)]
            write_csv(tmp_path / "data" / f"{sensor:04d}.csv", rows, header=("id", "x", "y", "sensor_name"))
        kind = "LinearRegression" if target == "y" else "LogisticRegression"
        recipe = Recipe(target=target, keys=["id"], columns=["x"])
        model = train(TrainingJob(dataset, None, recipe, f"sklearn.linear_model:{kind}", f"{tmp_path}/m")).ref
        choices = {"sensor=0000": Chosen(model), "sensor=0001": Chosen(None, "skipped", "missing")}
        scored, skipped = _score(tmp_path, dataset, choices)
        assert skipped.schema == scored.schema


def test_a_model_that_was_damaged_after_the_plan_stops_the_partition(tmp_path: Path) -> None:
    dataset = _sensors(tmp_path, 3)
    _train(tmp_path, dataset)
    choices = choose(_names(tmp_path, dataset), ModelPolicy())
    (estimator,) = _model(tmp_path, 1).glob("*.joblib")
    estimator.write_bytes(b"")
    with pytest.raises(ModelError, match=r"partition sensor=0001, .*models/0001/.* was altered or damaged"):
        _score(tmp_path, dataset, choices)


def test_old_and_too_new_models(tmp_path: Path) -> None:
    dataset = _sensors(tmp_path, 2)
    _train(tmp_path, dataset)
    for sensor, created in ((0, "2026-01-10T00:00:00+00:00"), (1, "2026-03-10T00:00:00+00:00")):
        path = _model(tmp_path, sensor) / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"created": created}))
    names = _names(tmp_path, dataset)

    def reasons(**options: Any) -> list[str | None]:
        policy = ModelPolicy(stale="skip", too_new="skip", **options)
        return [choice.reason for choice in choose(names, policy).values()]

    assert reasons() == [None, None]
    assert reasons(max_age="30d", not_after="2026-03-11") == ["stale", None]
    assert reasons(max_age="9w", not_after="2026-03-11") == [None, None]
    assert reasons(not_after="2026-02-01T00:00:00Z") == [None, "too_new"]
    with pytest.raises(ModelError, match=r"sensor=0001: too_new: .* was trained 2026-03-10.*, after 2026-02-01"):
        choose(names, ModelPolicy(not_after="2026-02-01"))
    with pytest.raises(ModelError, match="none of the 2 has a model"):
        reasons(max_age="1h")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "ignore"}, "missing='ignore'.: give one of fail, skip, fallback"),
        ({"stale": "use"}, "stale='use'.: give one of"),
        ({"missing": "fallback"}, "missing='fallback'. needs fallback="),
        ({"max_age": "a month"}, "max_age='a month'.: write a number and s, m, h, d or w"),
        ({"not_after": "yesterday"}, "not_after='yesterday'. is not an ISO time"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelPolicy(**options).limits()


def test_models_that_cannot_be_trained_are_counted_and_the_others_stay(tmp_path: Path) -> None:
    dataset = _sensors(tmp_path, 4)
    write_csv(tmp_path / "data" / "0002.csv", [(1, 1, "", 2)], header=("id", "x", "y", "sensor"))
    with pytest.raises(ModelError, match=r"1 of 4 models could not be trained, max_failed=0: .*0002: RecipeError"):
        _train(tmp_path, dataset)
    again = _train(tmp_path, dataset, max_failed=1)
    assert (again.trained, again.reused, list(again.failed)) == (0, 3, [f"{tmp_path}/models/0002"])
    job = TrainingJob(dataset, None, RECIPE, LinearRegression(), f"{tmp_path}/m/{{sensor}}/{{other}}")
    with pytest.raises(InputError, match=r"its fields \['sensor', 'other'\] must be fields of the dataset"):
        train_many(job, _run)
    by_column = TrainingJob(dataset, None, RECIPE, LinearRegression(), f"{tmp_path}/by/{{id}}", holdout=[1])
    with pytest.raises(InputError, match="with a model for each id give a share"):
        train_many(by_column, _run)


def test_the_cache_lets_go_of_what_was_not_used_for_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = _sensors(tmp_path, 4)
    _train(tmp_path, dataset)
    refs = [resolve(f"{tmp_path}/models/{sensor:04d}@champion") for sensor in range(4)]
    (size,) = {path.stat().st_size for path in _model(tmp_path, 0).glob("*.joblib")}
    monkeypatch.setattr(artifact, "CACHE_BYTES", 3 * size + size // 2)
    first = [artifact.load(ref) for ref in refs[:3]]
    assert artifact.load(refs[0]) is first[0]
    artifact.load(refs[3])  # the fourth does not fit: the second was not used for longest
    assert len(artifact._loaded) == 3
    assert artifact.load(refs[0]) is first[0]
    assert artifact.load(refs[2]) is first[2]
    assert artifact.load(refs[1]) is not first[1]
    monkeypatch.setattr(artifact, "CACHE_BYTES", 1)
    artifact.load(refs[3])
    assert len(artifact._loaded) == 1  # one that is larger than the cache is still held once
