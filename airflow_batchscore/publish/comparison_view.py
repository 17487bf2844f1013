"""A comparison as text for the run report: from the JSON of `Comparison`, which comes from storage."""

from __future__ import annotations

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.publish.comparison import SHOWN

#: In a cell.
NOTHING = "-"
_SIZES = tuple(f"p{100 * share:g}" for share in SHOWN)


def view(comparison: JsonMapping) -> JsonObject:
    """What the page shows, all of it text.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not what `Comparison.to_dict` made.
    """
    columns: JsonObject = dict(comparison["columns"])
    alone = [int(comparison[f"{role}_alone"]) for role in ("champion", "challenger")]
    return {
        "champion": str(comparison["champion"]["version"]),
        "challenger": str(comparison["challenger"]["version"]),
        "said": _said(comparison, *alone),
        "sizes": _SIZES,
        "columns": [_figures(name, column) for name, column in columns.items()],
        "confusions": [
            {"name": str(name), "classes": list(map(str, column["classes"])), "rows": _confusion(column)}
            for name, column in columns.items()
            if column["classes"]
        ],
        "rows": [_row(str(name), row) for name, column in columns.items() for row in column["rows"]],
        "partitions": [
            {"partition": str(each["partition"]), **_figures(name, column)}
            for each in comparison["partitions"]
            for name, column in each["columns"].items()
        ],
        "problems": [f"{what}: {why}" for what, why in comparison["problems"].items()],
        "left_out": [f"{what}: {why}" for what, why in comparison["left_out"].items()],
    }


def _said(comparison: JsonMapping, champion_alone: int, challenger_alone: int) -> str:
    said = f"{int(comparison['compared']):,} rows were scored by both"
    for role, rows in (("champion", champion_alone), ("challenger", challenger_alone)):
        said += f", {rows:,} by the {role} alone" if rows else ""
    unmatched = int(comparison["unmatched"])
    said += f"; {unmatched:,} could not be matched" if unmatched else ""
    missing = int(comparison["partitions_in_all"]) - int(comparison["partitions_compared"])
    return f"{said}; {missing:,} partitions were not compared in full" if missing else said


def _figures(name: str, column: JsonMapping) -> JsonObject:
    sizes = column.get("sizes", {})
    return {
        "name": str(name),
        "agreement": f"{float(column['agreement']):.2%}" if column.get("agreement") is not None else NOTHING,
        "mean": _number(column.get("mean")),
        "correlation": _number(column.get("correlation")),
        "sizes": [_size(sizes.get(what)) if sizes else NOTHING for what in _SIZES],
        "largest": _size(column["largest"]) if "largest" in column else NOTHING,
    }


def _confusion(column: JsonMapping) -> list[tuple[str, list[str]]]:
    rows = zip(column["classes"], column["confusion"], strict=True)
    return [(str(name), [f"{int(count):,}" for count in counts]) for name, counts in rows]


def _row(name: str, row: JsonMapping) -> dict[str, str]:
    keys = ", ".join(f"{key}={value}" for key, value in row["keys"].items())
    return {
        "name": name,
        "partition": str(row["partition"]),
        "which": keys or (NOTHING if row["row"] is None else f"row {int(row['row']):,}"),
        "champion": str(row["champion"]),
        "challenger": str(row["challenger"]),
    }


def _number(value: object) -> str:
    return NOTHING if value is None else f"{float(value):.4g}"  # type: ignore[arg-type]


def _size(value: object) -> str:
    """JSON has no infinite number."""
    return "unbounded" if value is None else _number(value)
