"""What ``make demo`` prints at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_COUNTS = ("rows_read", "rows_scored", "rows_skipped", "rows_quarantined")
_MOST_ROWS = 20


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows of equal length, the first one the header; the first column left-aligned, the others right-aligned."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        print("  ".join(text.ljust(width) if n == 0 else text.rjust(width) for n, (text, width) in enumerate(cells)))


def print_run(place: Path) -> None:
    """The partitions of a run and its model, from the summary that `CombineOperator` wrote into `place`."""
    summary: dict[str, Any] = json.loads((place / "summary.json").read_text())
    partitions, totals = summary["partitions"], summary["totals"]
    rows: list[Sequence[str]] = [("partition", "read", "scored", "skipped", "quarantined", "rows/s", "")]
    rows += [
        (
            row["partition"],
            *(f"{row[name]:,}" for name in _COUNTS),
            f"{row['rows_per_second']:,}",
            "reused" if row["reused"] else "",
        )
        for row in partitions[:_MOST_ROWS]
    ]
    if len(partitions) > _MOST_ROWS:
        rows.append((f"... {len(partitions) - _MOST_ROWS} more", *[""] * 6))
    rows.append(("total", *(f"{totals[name]:,}" for name in _COUNTS), "", ""))
    print()
    print_table(rows)
    print()
    _print_model(summary)
    if totals["reused"]:
        of_all = f"{totals['reused']} of {totals['partitions']} partitions"
        print(f"reused       {of_all} were committed before and not scored again")
    _print_rows(place / "predictions.parquet")
    _print_other_models(place / "models", summary)
    print(f"predictions  {short(place / 'predictions.parquet')}")
    print(f"report       {short(place / 'report.html')}")


def _print_model(summary: dict[str, Any]) -> None:
    model, coverage = summary["model"], summary["coverage"]
    if coverage:
        print(f"models       {coverage['own']} of {summary['totals']['partitions']} partitions have one of their own")
        for what, rows in list(coverage["uncovered"].items())[:_MOST_ROWS]:
            print(f"             {what}: {rows:,} rows")
    elif model:
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in model["metrics"].items())
        print(f"model        {model['version']} (sha256 {model['digest'][:12]}), {metrics} on {model['metrics_on']}")
        print(f"             trained on {', '.join(model['trained_on'])}, {model['rows_trained']:,} rows")
        if model["learning_curve"]:
            curve = model["learning_curve"]
            points = ", ".join(f"{point['rows']:,} rows {point['score']:.4f}" for point in curve["points"])
            print(f"             {curve['metric']} by rows trained on: {points}; {curve['enough']:,} are enough")
    else:
        print(f"function     {summary['method']}")


def _print_rows(path: Path) -> None:
    import pyarrow.parquet as pq

    first = pq.ParquetFile(path).read_row_group(0).slice(0, 3).to_pylist()
    print_table([list(first[0]), *([_text(value) for value in row.values()] for row in first)])
    print()


def _print_other_models(models: Path, summary: dict[str, Any]) -> None:
    """The models it was compared with, if the pipeline trained a baseline."""
    for path in models.glob("*/*/model.json") if summary["model"] else ():
        model = json.loads(path.read_text())
        if model["digest"] != summary["model"]["digest"]:
            metrics = ", ".join(f"{name} {value:.4f}" for name, value in model["metrics"].items())
            print(f"beside it    {path.parents[1].name} {path.parent.name}: {metrics} on {model['metrics_on']}")


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def print_history(models: Path) -> None:
    """Every evaluation of every version below `models`, oldest first, and the current champion."""
    champion = json.loads((models / "aliases" / "champion.json").read_text())["version"]
    found = [(path, json.loads(path.read_text())) for path in models.glob("*/evaluations/*.json")]
    rows: list[Sequence[str]] = [("version", "measured on", "rows", "metric", "at training", "found", "")]
    for path, seen in sorted(found, key=lambda pair: str(pair[1]["evaluated"])):
        for name, value in seen["metrics"].items():
            told = "decayed" if seen["problems"] else ""
            numbers = (f"{seen['rows']:,}", name, f"{seen['baseline'][name]:,.0f}", f"{value:,.0f}")
            rows.append((path.parents[1].name, ", ".join(seen["partitions"]), *numbers, told))
    print()
    print_table(rows)
    model = json.loads((models / champion / "model.json").read_text())
    metrics = ", ".join(f"{name} {value:,.0f}" for name, value in model["metrics"].items())
    print(f"\nchampion     {champion}, trained on {', '.join(model['training']['partitions'])}: {metrics}")


def short(path: Path) -> Path:
    """Relative to the repository, if it is inside."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
