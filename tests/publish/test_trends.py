"""Figures of the last runs stand beside each other, whoever wrote the file that keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from publications import publish
from support import Small, good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.runs import leave_report
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.summary import summarise
from airflow_batchscore.publish.trends import FILE, Point, add_point, trends

pytestmark = pytest.mark.unit


def _point(number: int, psi: float | None = 0.1, rows: int = 100, **more: Any) -> Point:
    return Point(**{"run": f"d/{number}", "generation": number, "model": "v1", "rows": rows,
                    "features": {"a": [psi, 0.0, 0.0]}, **more})  # fmt: skip


def _published(data: Small, run_id: str, generation: int, output: Path) -> str:
    manifests = [manifest for manifest, _ in data.score(1)]
    done = publish(manifests, output, generation)
    summary = summarise(manifests, done, run=ScoringRun("d", run_id), reused={})
    return Path(leave_report(manifests, done, summary, "publish").page.uri).read_text()


def test_reports_of_later_runs_show_the_earlier_ones_too(tmp_path: Path) -> None:
    data, output = small(tmp_path), tmp_path / "out"
    pages = []
    for generation, shift in enumerate((0, 2, 90), 1):
        data.add(1, [(n, a + shift, b, label) for n, a, b, label in good_rows(200)])
        pages.append(_published(data, f"run {generation}", generation, output))
    assert "<h2>Trends</h2>" not in pages[0]
    assert "The last 2 runs that published here" in pages[1]
    table = pages[2].partition("<h2>Trends</h2>")[2].partition("</table>")[0]
    assert "The last 3 runs that published here, oldest first" in table
    assert "all with one version of the model" in table
    assert table.count("<polyline") == 4, "rows, PSI of both features, and a is unlike training"
    assert ">100.00 %</td>" in table
    kept = json.loads((output / "_runs" / FILE).read_text())["points"]
    assert [point["run"] for point in kept] == ["d/run 1", "d/run 2", "d/run 3"]
    assert [point["features"]["a"][1] for point in kept][::2] == [0.0, 1.0]


def test_a_run_that_publishes_again_has_one_point_and_old_runs_are_dropped(tmp_path: Path) -> None:
    place = Location(str(tmp_path))
    for number in range(1, 41):
        add_point(place, _point(number))
    points = add_point(place, _point(40, psi=0.7))
    assert [point.generation for point in points] == list(range(11, 41))
    assert points[-1].features["a"][0] == 0.7
    late = add_point(place, _point(12, psi=0.9))
    assert [point.generation for point in late] == list(range(11, 41)), "in the order of their plans"


@pytest.mark.parametrize("damage", ["no JSON", "[1]", '{"points": 7}', '{"points": [7, {}, {"run": 1}]}'])
def test_a_damaged_file_costs_the_trends_and_not_the_report(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(damage)
    assert add_point(Location(str(tmp_path)), _point(1)) == [_point(1)]
    assert ("the report has no trends" in caplog.text) == (not damage.startswith('{"points": ['))


@pytest.mark.parametrize("change", [
    {"features": {"a": ["<script>", 0, 0]}}, {"features": {"a": [1, 2]}}, {"features": {"a": [float("nan"), 0, 0]}},
    {"features": {"a": [-1, 0, 0]}}, {"rows": "many"}, {"features": None},
])  # fmt: skip
def test_a_point_of_another_form_is_left_out(change: dict[str, Any]) -> None:
    assert Point.from_dict({**vars(_point(1)), **change}) is None
    assert Point.from_dict(json.loads(json.dumps(vars(_point(1))))) == _point(1)


def test_lines_have_gaps_where_a_run_had_no_figure() -> None:
    assert trends([_point(1)]) == []
    points = [_point(1, 0.2), _point(2, None), _point(3, 0.1, rows=50), _point(4, 0.4)]
    rows, psi = trends(points)
    assert (rows.name, rows.values) == ("all rows", [100, 100, 50, 100])
    assert (psi.name, psi.figure, psi.line) == ("a", "PSI", ["0.0,10.0", "66.7,14.5 100.0,1.0"])
    assert psi.to_dict()["most"] == 0.4
