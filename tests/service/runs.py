"""What tests do with runs of a real Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stack import Stack, StackError


def explain(stack: Stack, dag_id: str, run_id: str) -> str:
    """The ends of the logs of the tasks that failed."""
    failed = [task for task in stack.task_instances(dag_id, run_id) if task["state"] == "failed"]
    return "\n".join(line for task in failed for line in [f"--- {task['task_id']}", *stack.task_log(task)[-20:]])


def trigger_in(stack: Stack, folder: Path, dag_id: str, conf: dict[str, Any]) -> str:
    """Trigger a run of a DAG of the tests that works in `folder`; returns its id."""
    variable = {"key": "folder", "value": str(folder)}
    try:
        stack.patch("/api/v2/variables/folder", variable)
    except StackError:
        stack.post("/api/v2/variables", variable)
    return stack.trigger(dag_id, conf)


def succeed(stack: Stack, dag_id: str, conf: dict[str, Any], folder: Path | None = None) -> str:
    """Trigger a run, in `folder` if the DAG works in one, and wait for its success; returns its id."""
    stack.wait_for_dag(dag_id)
    run_id = trigger_in(stack, folder, dag_id, conf) if folder else stack.trigger(dag_id, conf)
    assert stack.wait_for_run(dag_id, run_id, 300) == "success", explain(stack, dag_id, run_id)
    return run_id


def result_bytes(folder: Path) -> dict[str, bytes]:
    """What a run of a small pipeline published, without the footer, which names the run; the parts of partition 1."""
    published = (folder / "out.parquet").read_bytes()
    footer = int.from_bytes(published[-8:-4], "little") + 8
    parts = {path.name: path.read_bytes() for path in folder.glob("staged/p=1/*/part-*.parquet")}
    return {"out.parquet": published[:-footer], **parts}


def parent(pid: int) -> int:
    """Its parent's id."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
