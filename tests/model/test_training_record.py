"""What ``model.json`` keeps of a training."""

from __future__ import annotations

import json

import pytest

from airflow_batchscore.data.dataset import InputFile
from airflow_batchscore.model.training_record import Candidate, CurvePoint, LearningCurve, Search, TrainingRecord

pytestmark = pytest.mark.unit

FILE = InputFile("/d/1.csv", 9, "tag")
CURVE = LearningCurve("rmse", [CurvePoint(10, 0.5), CurvePoint(20, 0.25)], 20)
SEARCH = Search({"C": "1.0"}, [Candidate({"C": "1.0"}, 0.75), Candidate({"C": "2.0"}, 0.5)])


@pytest.mark.parametrize(
    "record",
    [
        TrainingRecord("/d/{n}.csv", ["n=1"], [FILE], 9, 8),
        TrainingRecord("/d/{n}.csv", ["n=1"], [FILE], 9, 8, "sensor=7", "dag/run", CURVE, SEARCH),
        TrainingRecord("/d/{n}.csv", ["n=1"], [FILE], 9, 8, watched_for_early_stopping=["n=2"]),
    ],
)
def test_a_record_comes_back_from_json_as_it_was(record: TrainingRecord) -> None:
    assert TrainingRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_json_holds_only_what_there_was() -> None:
    kept = TrainingRecord("/d/{n}.csv", ["n=1"], [FILE], 9, 0, search=SEARCH).to_dict()
    assert list(kept) == ["dataset", "partitions", "files", "rows_read", "rows_trained", "search"]
    assert kept["files"] == [{"uri": "/d/1.csv", "size": 9, "tag": "tag"}]
    assert kept["search"]["candidates"][1] == {"params": {"C": "2.0"}, "score": 0.5}
