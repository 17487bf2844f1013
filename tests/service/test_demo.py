"""What ``make demo`` runs and prints, on the Airflow of these tests: `scripts/demo.py` itself would start another."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from demo import run_example
from demo_results import print_results
from examples import EXAMPLES
from stack import Stack
from support import Wta

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]


def _home(stack: Stack) -> Path:
    return Path(stack.extra["WTA_HOME"])


def _scored(stack: Stack, capsys: pytest.CaptureFixture[str]) -> str:
    """What the tennis example prints."""
    return _demo(stack, "wta_batch_scoring", capsys)


def _demo(stack: Stack, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    run_example(stack, name, EXAMPLES[name].conf, print)
    print_results(name, _home(stack))
    return capsys.readouterr().out


def test_the_demo_equals_ten_lines_of_pandas_and_a_second_one_reuses_all(
    stack: Stack, matches: Wta, capsys: pytest.CaptureFixture[str]
) -> None:
    output = _scored(stack, capsys)
    published = _home(stack) / "predictions.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(published), matches.plain_predictions())
    summary = json.loads((_home(stack) / "summary.json").read_text())
    rows = {row["values"]["year"]: row for row in summary["partitions"]}
    assert len(rows) == 17
    for year, row in rows.items():
        assert row["rows_read"] == row["rows_scored"] + row["rows_skipped"] + row["rows_quarantined"]
        assert row["rows_read"] == len(pd.read_csv(matches.folder / f"wta_matches_{year}.csv"))
        assert re.search(rf"^{year} +{row['rows_read']:,} +{row['rows_scored']:,} ", output, re.MULTILINE)
    if matches.real:
        assert [rows[year]["rows_scored"] for year in ("2000", "2015", "2016")] == [2575, 2620, 2807]
    assert len(summary["model"]["digest"]) == 64
    predictions = pd.read_parquet(published)
    first_won = predictions["winner_id"].astype(int) < predictions["loser_id"].astype(int)
    assert re.search(rf"^all .* {(predictions['prediction'] == first_won).mean():.1%}$", output, re.MULTILINE)
    assert (_home(stack) / "report.html").stat().st_size > 5000

    before = (published.stat().st_mtime_ns, published.read_bytes())
    output = _scored(stack, capsys)
    assert "17 of 17 partitions were committed before and not scored again" in output
    assert (published.stat().st_mtime_ns, published.read_bytes()) == before


def test_a_model_that_decays_is_trained_again_without_a_person(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    models = _home(stack) / "model_decay" / "models" / "price"
    output = _demo(stack, "model_decay", capsys)
    assert re.search(r"decay_retrain: run asset_triggered__", output)
    rows = [line.split() for line in output.splitlines() if "rmse" in line and "month=" in line]
    assert [(row[1], row[-1] == "decayed") for row in rows[:2]] == [("month=2026-02", False), ("month=2026-06", True)]
    assert re.search(r"champion +[0-9a-f]{12}, trained on month=2026-06: rmse", output)
    champion = json.loads((models / "aliases" / "champion.json").read_text())["version"]
    assert json.loads((models / champion / "model.json").read_text())["training"]["partitions"] == ["month=2026-06"]
    assert len(list(models.glob("*/model.json"))) == 2
