"""What the closing tables of ``make demo`` have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: Of the partitions without a model of their own, those that are named.
_MOST_ROWS = 20


def print_table(rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Rows of equal length, the first one the header; all but the first `left` columns are right-aligned."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        texts = (text.ljust(width) if place < left else text.rjust(width) for place, (text, width) in enumerate(cells))
        print("  ".join(texts).rstrip())


def print_facts(place: Path) -> None:
    """The model of a run and where its results are, from the summary that `CombineOperator` wrote into `place`."""
    summary: dict[str, Any] = json.loads((place / "summary.json").read_text())
    totals = summary["totals"]
    print()
    _print_model(summary)
    if totals["reused"]:
        of_all = f"{totals['reused']} of {totals['partitions']} partitions"
        print(f"reused       {of_all} were committed before and not scored again")
    if totals["rows_quarantined"]:
        print(f"quarantine   {totals['rows_quarantined']:,} rows could not be scored: the report says why")
    print(f"predictions  {short(place / 'predictions.parquet')}")
    print(f"report       {short(place / 'report.html')}")


def _print_model(summary: dict[str, Any]) -> None:
    model, coverage = summary["model"], summary["coverage"]
    if coverage:
        print(f"models       {coverage['own']} of {summary['totals']['partitions']} partitions have one of their own")
        for what, rows in list(coverage["uncovered"].items())[:_MOST_ROWS]:
            print(f"             {what}: {rows:,} rows")
    elif model:
        print(f"model        {model['version']} (sha256 {model['digest'][:12]})")
        print(f"             {measured(model)} on {model['metrics_on']}")
        print(f"             trained on {', '.join(model['trained_on'])}, {model['rows_trained']:,} rows")
        if model["learning_curve"]:
            curve = model["learning_curve"]
            points = ", ".join(f"{point['rows']:,} rows {point['score']:.4f}" for point in curve["points"])
            print(f"             {curve['metric']} by rows trained on: {points}; {curve['enough']:,} are enough")
    else:
        print(f"function     {summary['method']}")


def measured(model: dict[str, Any]) -> str:
    """The metrics of a model, in a line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in model["metrics"].items())


def print_first(path: Path) -> None:
    """The first three rows of a published file."""
    import pyarrow.parquet as pq

    first = pq.ParquetFile(path).read_row_group(0).slice(0, 3).to_pylist()
    print()
    print_table([list(first[0]), *([_text(value) for value in row.values()] for row in first)])


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def short(path: Path) -> Path:
    """Relative to the repository, if it is inside."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
