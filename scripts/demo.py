"""``make demo``: the WTA pipeline through a real Airflow, everything below .demo/."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from stack import ROOT, Stack, StackError, wta_environment
from wta_data import find_matches

DAG_ID = "wta_batch_scoring"
_LIMIT_SECONDS = 600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / ".demo", help="where everything goes (default: .demo)")
    home: Path = parser.parse_args().home.resolve()
    began = time.monotonic()
    matches, what = find_matches(home / "synthetic-matches")
    print(f"data    {what}")
    stack = Stack(home / "airflow", ROOT / "dags", extra=wta_environment(matches, home))
    print(f"airflow scheduler, DAG processor, triggerer and API server on {stack.url}, LocalExecutor, {stack.home}")
    try:
        with stack:
            _say(began, "Airflow is up")
            stack.wait_for_dag(DAG_ID)
            run_id = stack.trigger(DAG_ID, {"output": str(home / "predictions.parquet")})
            _say(began, f"run {run_id}")
            state = _follow(stack, run_id, began)
            if state != "success":
                _explain(stack, run_id)
                return 1
    except (StackError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    _table(home, json.loads((home / "summary.json").read_text()), began)
    return 0


def _say(began: float, text: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


def _follow(stack: Stack, run_id: str, began: float) -> str:
    """Print what changes until the run ends."""
    said = ""
    while time.monotonic() - began < _LIMIT_SECONDS:
        state = stack.state(DAG_ID, run_id)
        line = _progress(stack.task_instances(DAG_ID, run_id))
        if line != said:
            _say(began, line)
            said = line
        if state in ("success", "failed"):
            return state
        time.sleep(1)
    raise StackError(f"the run was not done after {_LIMIT_SECONDS} s; see {stack.home}/logs")


def _progress(instances: list[dict[str, Any]]) -> str:
    scoring = [instance for instance in instances if instance["task_id"] == "score" and instance["map_index"] >= 0]
    running = sorted({instance["task_id"] for instance in instances if instance["state"] in ("running", "deferred")})
    done = Counter(instance["state"] for instance in scoring)["success"]
    text = f"partitions scored {done}/{len(scoring)}" if scoring else "preparing"
    return f"{text}, running: {', '.join(running)}" if running else text


def _explain(stack: Stack, run_id: str) -> None:
    for instance in stack.task_instances(DAG_ID, run_id):
        if instance["state"] == "failed":
            print(f"\ntask {instance['task_id']} {instance['rendered_map_index'] or ''} failed:", file=sys.stderr)
            print("\n".join(stack.task_log(instance)[-15:]), file=sys.stderr)


def _table(home: Path, summary: dict[str, Any], began: float) -> None:
    columns = ("partition", "read", "scored", "skipped", "quarantined", "rows/s", "")
    rows = [
        (
            row["partition"],
            *(f"{row[name]:,}" for name in ("rows_read", "rows_scored", "rows_skipped", "rows_quarantined")),
            f"{row['rows_per_second']:,}",
            "reused" if row["reused"] else "",
        )
        for row in summary["partitions"]
    ]
    totals = summary["totals"]
    names = ("rows_read", "rows_scored", "rows_skipped", "rows_quarantined")
    rows.append(("total", *(f"{totals[name]:,}" for name in names), "", ""))
    widths = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]
    print()
    for row in [columns, *rows]:
        print(
            "  ".join(
                text.ljust(w) if n == 0 else text.rjust(w) for n, (text, w) in enumerate(zip(row, widths, strict=True))
            )
        )
    model = summary["model"]
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in model["metrics"].items())
    print(f"\nmodel        {model['version']} (sha256 {model['digest'][:12]}), {metrics} on {model['metrics_on']}")
    print(f"             trained on {', '.join(model['trained_on'])}, {model['rows_trained']:,} rows")
    if totals["reused"]:
        of_all = f"{totals['reused']} of {totals['partitions']} partitions"
        print(f"reused       {of_all} were committed before and not scored again")
    print(f"predictions  {_short(home / 'predictions.parquet')}")
    print(f"report       {_short(home / 'report.html')}")
    print(f"done in {time.monotonic() - began:.0f} s")


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())
