"""What the report draws: shares of the bins, in training and now."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support import good_rows, small

from airflow_batchscore.model.artifact import read_manifest
from airflow_batchscore.model.training_record import CurvePoint, LearningCurve
from airflow_batchscore.publish.plots import curve, plots

pytestmark = pytest.mark.unit


def test_shares_of_a_run_and_of_each_partition_stand_beside_those_of_training(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(200))
    data.add(2, [(n, 4.0, 0, 1) for n in range(100)])
    manifests = [manifest for manifest, _ in data.score(1, 2)]
    (plot,) = plots(manifests, read_manifest(data.model).profile)
    assert (plot.column, plot.of) == ("prediction", 2)
    assert math.isclose(sum(plot.training), 1)
    like, shifted = plot.partitions
    assert (like.name, shifted.name) == ("p=1", "p=2")
    assert like.shares == pytest.approx(plot.training)
    assert max(shifted.shares) == 1
    assert like.drift == pytest.approx(0, abs=1e-6)
    assert shifted.drift > plot.drift > like.drift
    expected = [(200 * one + 100 * other) / 300 for one, other in zip(like.shares, shifted.shares, strict=True)]
    assert plot.scored == pytest.approx(expected)
    assert plot.highest == 1


def test_of_many_partitions_those_with_the_most_drift_are_drawn_in_their_order(tmp_path: Path) -> None:
    data = small(tmp_path)
    for number in range(1, 41):
        data.add(number, good_rows(40) if number % 4 else [(n, 4.0, 0, 1) for n in range(40)])
    manifests = [manifest for manifest, _ in data.score(*range(1, 41))]
    (plot,) = plots(manifests, read_manifest(data.model).profile)
    names = [one.name for one in plot.partitions]
    assert (len(names), plot.of) == (24, 40)
    assert {f"p={number}" for number in range(4, 41, 4)} <= set(names)
    assert names == sorted(names, key=lambda name: int(name[2:]))


def test_a_learning_curve_fills_its_box() -> None:
    found = curve(LearningCurve("auc", [CurvePoint(50, 0.5), CurvePoint(100, 0.7)], 100))
    assert [(point["x"], point["y"]) for point in found["places"]] == [(50, 38), (100, 2)]
    level = curve(LearningCurve("auc", [CurvePoint(50, 0.5), CurvePoint(100, 0.5)], 50))
    assert [point["y"] for point in level["places"]] == [38, 38]
