"""The grid of a data set that runs have scored: what each run did, and how each partition stands."""

from __future__ import annotations

import pytest
from pages import History

from airflow_batchscore.plugin import dataset_list
from airflow_batchscore.plugin.recent_runs import RunCache

pytestmark = pytest.mark.dag


@pytest.mark.parametrize("is_kept", [False, True])
def test_the_grid_tells_what_was_scored_when_with_which_version(
    history: History, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_kept:
        monkeypatch.setattr(dataset_list, "_kept", RunCache(9))
    (grid,) = (grid for grid in history.ask("datasets")["datasets"] if grid["dag_ids"] == ["seen_pipeline"])
    assert grid["dataset"].endswith("/part_{p}.csv")
    assert [run["run_id"] for run in grid["runs"]] == [history.good, history.failed, history.newest]
    assert grid["partitions"] == ["p=1", "p=2", "p=3"]
    old, new = grid["versions"]
    assert new == f"{old}-2"
    assert grid["cells"] == [[0, 0, -1], [-1, -2, -1], [0, -1, 1]]
    assert [(each["state"], each["version"], each["run_id"]) for each in grid["latest"]] == [
        ("stale", old, history.failed),
        ("missing", None, None),
        ("fresh", new, history.newest),
    ]
    assert grid["latest"][1]["why"] == f"Run {history.failed} failed on it, and no other run here has scored it."
