"""The rows that could not be scored, as the page of a run shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import good_rows, small

from airflow_batchscore.publish.run_view_quarantine import (
    QuarantinedRow,
    quarantine_files,
    quarantine_view,
    read_rows,
)
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Of a partition with two rows that cannot be scored."""
    data = small(tmp_path)
    data.add(1, [*good_rows(20), (98, "x", 1, 0), (99, "y", 1, 0)])
    ((manifest, _),) = data.score(1)
    return manifest


def test_reasons_and_examples_come_from_the_files_that_manifests_name(manifest: Manifest) -> None:
    ((key, location),) = quarantine_files([manifest])
    rows = read_rows(key, location)
    view = quarantine_view([rows], 2, 1)
    assert (view["rows"], view["files_read"], view["files"], view["problem"]) == (2, 1, 1, None)
    assert sum(reason["rows"] for reason in view["reasons"]) == 2
    assert view["reasons"][0]["partitions"] == ["p=1"]
    assert {example["raw"]["a"] for example in view["examples"]} == {"x", "y"}
    assert view["examples"][0]["file"].endswith("part_1.csv")


@pytest.mark.parametrize("name", ["../../secret.parquet", "quarantine/../../x.parquet", "a/%2e%2e/%2e%2e/x.parquet"])
def test_a_name_that_leaves_the_manifests_folder_is_not_read(manifest: Manifest, name: str) -> None:
    altered = replace(manifest, blocks=[replace(manifest.blocks[0], quarantine=name)])
    assert quarantine_files([altered]) == []


def test_every_reason_has_an_example_before_one_has_two() -> None:
    rows = [QuarantinedRow("p=1", "f.csv", n, "ValueError", f"reason {n // 30}", {}) for n in range(90)]
    view = quarantine_view([rows[:60], rows[60:]], 90, 2)
    assert [reason["rows"] for reason in view["reasons"]] == [30, 30, 30]
    assert len(view["examples"]) == 20
    assert {example["message"] for example in view["examples"][:3]} == {"reason 0", "reason 1", "reason 2"}


def test_long_cells_are_cut() -> None:
    row = QuarantinedRow("p=1", "f.csv", 0, "ValueError", "m" * 1000, {"text": "x" * 1000, "none": None})
    (example,) = quarantine_view([[row]], 1, 1)["examples"]
    assert len(example["message"]) == len(example["raw"]["text"]) == 304
    assert example["raw"]["none"] is None


def test_a_run_without_quarantine_has_none() -> None:
    assert quarantine_view([], 0, 0)["reasons"] == []
