"""What a scoring task hands on comes back from JSON as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from manifests import manifest

from airflow_batchscore.errors import InputError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.scored import SCHEMA, ScoredPartition, ScoredTask

pytestmark = pytest.mark.unit

PARTITION = ScoredPartition(
    {"device": "a b", "date": "2026-01-01"}, "/s/m.json", "d" * 64, "dag/run", 7, False, Account(4, 2, 1, 1), 1.25, 3
)


def test_a_task_comes_back_from_json_as_it_was() -> None:
    task = ScoredTask("2 partitions", [PARTITION, PARTITION])
    value = json.loads(json.dumps(task.to_dict()))
    assert ScoredTask.from_dict(value) == task
    assert (value["schema"], value["label"]) == (SCHEMA, "2 partitions")
    assert value["manifests"][0]["rows_quarantined"] == 1
    assert PARTITION.key == "device=a b/date=2026-01-01"


def test_the_entry_of_a_partition_says_what_its_manifest_says(tmp_path: Any) -> None:
    committed = manifest(tmp_path, seconds=3.00049).commit()
    assert committed is not None
    scored = ScoredPartition.of(committed, reused=True, run="dag/run", generation=7)
    assert (scored.manifest, scored.digest, scored.partition) == (committed.uri, committed.digest, {"year": "2015"})
    assert (scored.run, scored.generation, scored.reused) == ("dag/run", 7, True)
    assert (scored.account, scored.seconds, scored.rows_per_second) == (Account(8, 6, 1, 1), 3.0, 3)


@pytest.mark.parametrize("schema", [0, SCHEMA + 1, None, str(SCHEMA)])
def test_what_another_version_returned_is_not_guessed_at(schema: Any) -> None:
    value = {**ScoredTask("year=2015", [PARTITION]).to_dict(), "schema": schema}
    message = "the scores of year=2015 were passed on by another version .*clear the scoring task; .* not scored again"
    with pytest.raises(InputError, match=message):
        ScoredTask.from_dict(value)
