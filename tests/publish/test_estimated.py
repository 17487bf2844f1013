"""What a run was predicted to take, beside what its manifests say that it took."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from support import Small, good_rows, small

from airflow_batchscore.plan.estimate import Pace, Room, Sampled, predict
from airflow_batchscore.publish.estimated import Estimated

pytestmark = pytest.mark.unit

TOLD = predict(
    [[(10_000, Pace(2.0, 0.0, 0.072, 10_000, 1.0, 3_100_000_000, 0.0))]],
    Room(),
    Sampled(),
    price_per_core_hour=4.2,
)


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("small"))
    for partition in (1, 2):
        made.add(partition, good_rows(50))
    return made


def test_the_time_is_from_the_first_beginning_to_the_last_end(data: Small) -> None:
    (first, _), (second, _) = data.score(1, 2)
    manifests = [
        replace(first, started="2026-11-23T10:00:00+00:00", ended="2026-11-23T10:09:00.000+00:00", seconds=100.0),
        replace(second, started="2026-11-23T10:08:00+00:00", ended="", seconds=180.0),  # of an earlier version
    ]
    found = Estimated.of(TOLD, manifests, {})
    assert found.seconds == 11 * 60
    assert found.said == "estimated 12 min 2 s, 3.1 GB, cost 0.84; took 11 min"
    assert found.to_dict()["took_seconds"] == 660
    one = Estimated.of(TOLD, manifests, {first.key: True, second.key: False})
    assert one.seconds == 180
    none = Estimated.of(replace(TOLD, peak_memory=None, cost=None), manifests, {first.key: True, second.key: True})
    assert none.said == "estimated 12 min 2 s; all partitions were reused"


def test_the_time_of_partitions_that_were_scored_side_by_side_is_not_that_of_one_of_them(data: Small) -> None:
    """Each has a share of the time of its task, so that all of them seem to end soon after they began."""
    manifests = [manifest for manifest, _ in data.score(1, 2, block_rows=5)]
    before = [replace(manifest, started=manifests[0].started, seconds=1.0) for manifest in manifests]
    last = max(manifest.ended for manifest in manifests)
    took = datetime.fromisoformat(last) - datetime.fromisoformat(manifests[0].started)
    assert Estimated.of(TOLD, before, {}).seconds == pytest.approx(took.total_seconds(), abs=0.001)
