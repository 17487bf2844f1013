"""The example pipelines beside WTA's, each run whole by Airflow in this process, on less data where they allow it."""

from __future__ import annotations

import copy
import json
import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.sdk.exceptions import ParamValidationError
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from examples import EXAMPLES
from paired import trained
from support import EXAMPLES as PLACE
from support import good_rows, small

from airflow_batchscore import Recipe
from airflow_batchscore.compat import airflow_version
from airflow_batchscore.model.reference import resolve, set_alias

pytestmark = pytest.mark.dag


def _run(dags: dict[str, Any], dag_id: str, **conf: Any) -> tuple[str, dict[str, str]]:
    dag = copy.deepcopy(dags[dag_id])
    run = dag.test(
        run_conf={**{name: param.value for name, param in dag.params.items()}, **conf} if dag.params else None
    )
    return str(run.state), {f"{i.task_id} {i.map_index}": str(i.state) for i in run.get_task_instances()}


def _summary(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PLACE / name / "summary.json").read_text())
    return found


def test_every_example_says_what_it_does_whose_it_is_and_what_its_form_takes(airflow_dags: dict[str, Any]) -> None:
    examples = {name: dag for name, dag in airflow_dags.items() if "example" in dag.tags}
    assert sorted(examples) == sorted(dag for example in EXAMPLES.values() for dag in example.dags)
    for name, dag in examples.items():
        assert dag.description, name
        assert dag.owner == "ml-platform", name
        assert {"**Reads**", "**Publishes**"} & set(re.findall(r"\*\*\w+\*\*", dag.doc_md)) or "published" in dag.doc_md
        for param in dag.params:
            schema = dag.params.get_param(param).schema
            assert schema["title"], (name, param)
            assert dag.params.get_param(param).description, (name, param)
            assert f"`{param}`" in dag.doc_md, (name, param)
            # Airflow's message quotes the pattern, and nothing else of ours.
            assert str(schema.get("pattern", "(?#")).startswith("(?#"), (name, param)


@pytest.mark.parametrize(
    ("param", "value", "said"),
    [
        ("years", "abc", "a range such as 2000..2016, or years such as 2014, 2015"),
        ("years", "2014..", "a range such as 2000..2016, or years such as 2014, 2015"),
        ("years", "2014. 2015" + ", 2014" * 10_000 + "x", "a range such as 2000..2016, or years such as 2014, 2015"),
        ("years", [2014, "x"], "a range such as 2000..2016, or years such as 2014, 2015"),
        ("model_version", "../other", "the name of a version, such as cc9b817abfaf"),
        ("output", "matches.csv", "a name such as predictions.parquet or predictions_2014.csv"),
    ],
)
def test_a_form_that_refuses_a_value_says_what_it_expects(
    airflow_dags: dict[str, Any], param: str, value: Any, said: str
) -> None:
    found = airflow_dags["wta_batch_scoring"].params.get_param(param)
    with pytest.raises(ParamValidationError, match=re.escape(f"does not match '(?#{said})")):
        found.resolve(value)


@pytest.mark.parametrize(
    "years", ["2000..2016", "2014, 2015", "2014", [2014, 2015], ["2014..2016"], "[2014]", "2001, 2003..2005", None, ""]
)
def test_the_years_of_the_form_are_a_range_or_a_list_or_none(airflow_dags: dict[str, Any], years: Any) -> None:
    assert airflow_dags["wta_batch_scoring"].params.get_param("years").resolve(years) == years


def test_the_boosted_model_is_promoted_because_it_beats_the_line_by_a_margin(airflow_dags: dict[str, Any]) -> None:
    from hazard_recipe import EarlyStopped, linear, synthetic

    assert _run(airflow_dags, "hazard_regression")[0] == "success"
    found = pd.read_parquet(PLACE / "hazard_regression" / "predictions.parquet")
    assert list(found) == ["part", "Id", "hazard"]
    assert len(found) == 50_000
    data = synthetic(50_000)
    train, test = data[data["Id"] % 10 < 8], data[data["Id"] % 10 >= 8]
    train = pd.concat([train[train["Id"] % 10 == part] for part in range(8)])
    features = [name for name in data if name not in ("Id", "Hazard")]

    def plain(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[features].astype({n: float for n in features if pd.api.types.is_numeric_dtype(frame[n])})

    errors = {}
    for name, model in (("linear", linear()), ("boosted", EarlyStopped())):
        fitted = model.fit(plain(train), train["Hazard"])
        missed = pd.concat([test[test["Id"] % 10 == part] for part in (8, 9)])
        errors[name] = float(np.sqrt(((fitted.predict(plain(missed)) - missed["Hazard"]) ** 2).mean()))
    assert _summary("hazard_regression")["model"]["metrics"]["rmse"] == pytest.approx(errors["boosted"], rel=1e-3)
    (line,) = (PLACE / "hazard_regression" / "models" / "linear").glob("*/model.json")
    assert json.loads(line.read_text())["metrics"]["rmse"] == pytest.approx(errors["linear"], rel=1e-6)
    assert errors["boosted"] < 0.9 * errors["linear"]
    margin = airflow_dags["hazard_regression"].params["margin"]
    assert 3.73 / 3.92 < margin < 1, "what XGBoost gains on Liberty Mutual's own data"

    champion = PLACE / "hazard_regression" / "models" / "boosted" / "aliases" / "champion.json"
    champion.unlink()
    state, states = _run(airflow_dags, "hazard_regression", margin=0.5)
    assert (state, states["gate -1"]) == ("failed", "failed")
    assert not champion.exists()


def test_letters_that_training_never_saw_are_scored(airflow_dags: dict[str, Any], tmp_path: Path) -> None:
    from hazard_recipe import EarlyStopped, linear, synthetic

    data = synthetic(500)
    features = data.drop(columns=["Id", "Hazard"])
    unseen = features.assign(T1_V4="Z", T2_V13=None)
    for model in (linear(), EarlyStopped()):
        predicted = model.fit(features, data["Hazard"]).predict(unseen)
        assert np.isfinite(predicted).all()


def test_every_sensor_has_a_model_and_the_faulty_ones_stand_out(airflow_dags: dict[str, Any]) -> None:
    state, states = _run(airflow_dags, "sensor_anomaly", sensors=30, tasks=3, day="2026-01-02")
    assert state == "success"
    assert [name for name in states if name.startswith("score")] == ["score 0", "score 1", "score 2"]
    found = pd.read_parquet(PLACE / "sensor_anomaly" / "predictions.parquet")
    assert list(found) == ["device", "sensor", "time", "decision_function", "score_samples", "anomaly"]
    assert len(found) == 30 * 1440
    odd = found.groupby("sensor")["anomaly"].sum().sort_values(ascending=False)
    assert set(odd.index[:3]) == {"sensor0000", "sensor0010", "sensor0020"}
    assert odd.iloc[2] > 50 > 20 > odd.iloc[3]
    summary = _summary("sensor_anomaly")
    assert summary["coverage"] == {"own": 30, "uncovered": {}}

    aliases = PLACE / "sensor_anomaly" / "models" / "device07" / "sensor0007" / "aliases"
    (readings,) = (PLACE / "sensor_anomaly" / "readings" / "device07" / "sensor0007").glob("2026-01-01.csv")
    readings.write_text("time,temperature,vibration\n2026-01-01T00:00,broken,\n")
    (aliases / "champion.json").unlink()
    assert _run(airflow_dags, "sensor_anomaly", sensors=30, tasks=3, day="2026-01-02")[0] == "success"
    summary = _summary("sensor_anomaly")
    assert summary["coverage"] == {
        "own": 29,
        "uncovered": {"device=device07/sensor=sensor0007: missing, skipped": 1440},
    }
    assert summary["totals"]["rows_skipped"] == 1440
    page = (PLACE / "sensor_anomaly" / "report.html").read_text()
    assert "29 of 30 partitions were scored with models of their own; without one:" in page
    assert "device=device07/sensor=sensor0007: missing, skipped" in page


def test_a_scheduled_run_scores_the_day_of_its_data_interval(airflow_dags: dict[str, Any]) -> None:
    run = copy.deepcopy(airflow_dags["sensor_anomaly"]).test(
        run_conf={"sensors": 2, "tasks": 1, "day": None}, logical_date=datetime(2026, 1, 5, tzinfo=UTC)
    )
    assert str(run.state) == "success"
    found = pd.read_parquet(PLACE / "sensor_anomaly" / "predictions.parquet")
    assert set(found["time"].str[:10]) == {"2026-01-05"}
    assert found["sensor"].nunique() == 2


def test_a_purchase_has_a_probability_under_the_name_asked_for(
    airflow_dags: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import purchase_recipe

    plain = purchase_recipe.synthetic(20_000).drop(columns="user_id")
    assert list(plain) == [*purchase_recipe.GAMES, "label"], "the file that people have, as it is"
    plain.to_csv(tmp_path / "games.csv", index=False)
    monkeypatch.setenv("GAMES_CSV", str(tmp_path / "games.csv"))
    assert _run(airflow_dags, "purchase_likelihood")[0] == "success"
    found = pd.read_parquet(PLACE / "purchase_likelihood" / "predictions.parquet")
    assert list(found) == ["user_id_mod_10", "user_id", "prediction"]
    assert (found["user_id"] % 10 == found["user_id_mod_10"]).all()
    assert sorted(found["user_id"]) == list(range(20_000)), "rows are known by their number"
    assert found["prediction"].between(0, 1).all()
    model = _summary("purchase_likelihood")["model"]
    assert model["learning_curve"]["enough"] < 4000
    page = (PLACE / "purchase_likelihood" / "report.html").read_text()
    assert "Learning curve" in page
    assert "<polyline" in page


def test_functions_run_over_rows_and_over_groups(airflow_dags: dict[str, Any]) -> None:
    import words

    assert _run(airflow_dags, "normalise_words")[0] == "success"
    place = PLACE / "normalise_words"
    raw = pd.concat([pd.read_csv(place / "data" / f"notes_{month}.csv") for month in words.MONTHS], ignore_index=True)
    found = pd.read_parquet(place / "predictions.parquet")
    keys = raw[["id", "site"]].astype({"id": str})  # a key of a CSV file is the text that stands there
    expected = keys.join(words.normalise(raw), how="inner")
    pd.testing.assert_frame_equal(found.drop(columns="month"), expected.reset_index(drop=True), check_dtype=False)
    sites = pd.read_parquet(place / "sites.parquet")
    for (month, site), row in sites.set_index(["month", "site"]).iterrows():
        notes = pd.read_csv(place / "data" / f"notes_{month}.csv")
        notes = notes[notes["site"] == site].reset_index(drop=True)
        assert row.to_dict() == pytest.approx(words.lengths(notes).iloc[0].to_dict())
    assert len(sites) == 24
    assert _summary("normalise_words")["model"] is None
    assert "words:normalise" in (place / "report.html").read_text()


def test_a_decayed_model_is_noticed(airflow_dags: dict[str, Any]) -> None:
    for dag_id, conf in (("decay_start", {}), ("decay_watch", {"month": "2026-02"}), ("decay_watch", {})):
        assert _run(airflow_dags, dag_id, **conf)[0] == "success"
    models = PLACE / "model_decay" / "models" / "price"
    seen = [json.loads(path.read_text()) for path in models.glob("*/evaluations/*.json")]
    assert {tuple(one["partitions"]): bool(one["problems"]) for one in seen} == {
        ("month=2026-02",): False,
        ("month=2026-06",): True,
    }


def test_real_data_is_used_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hazard_recipe
    import purchase_recipe

    inspections = hazard_recipe.synthetic(30).assign(T1_V1=7)
    inspections.to_csv(tmp_path / "train.csv", index=False)
    monkeypatch.setenv("LIBERTY_MUTUAL_CSV", str(tmp_path / "train.csv"))
    assert str(tmp_path / "train.csv") in hazard_recipe.make_data(str(tmp_path / "hazard"))
    parts = [pd.read_csv(tmp_path / "hazard" / f"properties_{part}.csv") for part in range(10)]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_values("Id").reset_index(drop=True), inspections)
    games = purchase_recipe.synthetic(30).assign(G1=1)
    games.to_csv(tmp_path / "games.csv", index=False)
    monkeypatch.setenv("GAMES_CSV", str(tmp_path / "games.csv"))
    assert str(tmp_path / "games.csv") in purchase_recipe.make_data(str(tmp_path / "games"))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "games" / "games.csv"), games)


def test_a_challenger_that_is_close_is_promoted_and_its_scores_are_not_published(airflow_dags: dict[str, Any]) -> None:
    assert _run(airflow_dags, "champion_challenger")[0] == "success"
    place = PLACE / "champion_challenger"
    promoted = json.loads((place / "models" / "hazard" / "aliases" / "champion.json").read_text())["version"]
    facts = _summary("champion_challenger")
    assert facts["model"]["trained_on"] == [f"part={part}" for part in range(4)]
    comparison = facts["passed"]["comparison"]
    assert (comparison["challenger"]["version"], comparison["compared"]) == (promoted, 3_000)
    assert facts["model"]["version"] == comparison["champion"]["version"] != promoted
    assert 0 < comparison["columns"]["hazard"]["sizes"]["p95"] < 1.5
    (model,) = (place / "models" / "hazard" / facts["model"]["version"]).glob("model-*.joblib")
    published = pd.read_parquet(place / "predictions.parquet").sort_values("Id")
    data = pd.concat(pd.read_csv(path) for path in (place / "data").glob("*.csv")).sort_values("Id")
    features = data.drop(columns=["Id", "Hazard"])
    plain = features.astype({name: float for name in features if pd.api.types.is_numeric_dtype(features[name])})
    np.testing.assert_allclose(published["hazard"], joblib.load(model).predict(plain))


def _answer(chosen: str, asked: list[HITLDetail]) -> None:
    """What Airflow's API does with the first answer to a task that waits for one."""
    for _ in range(1200):
        with create_session() as session:
            waiting = session.query(TaskInstance).filter_by(state="awaiting_input").first()
            if waiting is not None:
                detail = session.query(HITLDetail).filter_by(ti_id=waiting.id).one()
                detail.chosen_options, detail.params_input, detail.responded_at = [chosen], {}, datetime.now(UTC)
                handle_event_submit(
                    TriggerEvent(detail.as_resume_event_payload()), task_instance=waiting, session=session
                )
                asked.append(detail)
                return
        time.sleep(0.1)


@pytest.mark.timeout(180)
@pytest.mark.skipif(airflow_version() < (3, 3), reason="dag.test() waits for an answer since then")
def test_a_person_decides_by_what_was_found(airflow_dags: dict[str, Any]) -> None:
    place = PLACE / "approved_challenger"
    data = small(place)
    for part in (1, 2):
        data.add(part, good_rows(30, 100 * part))
    challenger = trained(data, "model", Recipe(target="label", keys=["id"], columns=["a"]))
    set_alias(f"{place}/model", "champion", data.model, 1)
    set_alias(f"{place}/model", "challenger", challenger, 1)
    asked: list[HITLDetail] = []
    person = threading.Thread(target=_answer, args=("Approve", asked))
    person.start()
    state, states = _run(airflow_dags, "approved_challenger")
    person.join()
    assert (state, states["approve -1"], states["promote -1"]) == ("success", "success", "success")
    assert resolve(f"{place}/model@champion") == challenger
    (detail,) = asked
    assert detail.subject == "Promote the challenger?"
    assert f"`{challenger.uri}` against `{data.model.uri}`" in detail.body
    assert "| agreement in prediction | " in detail.body
