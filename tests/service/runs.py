"""What tests do with runs of a real Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stack import Stack


def explain(stack: Stack, dag_id: str, run_id: str) -> str:
    """The ends of the logs of the tasks that failed."""
    failed = [task for task in stack.task_instances(dag_id, run_id) if task["state"] == "failed"]
    return "\n".join(line for task in failed for line in [f"--- {task['task_id']}", *stack.task_log(task)[-20:]])


def succeed(stack: Stack, dag_id: str, conf: dict[str, Any]) -> str:
    """Trigger a run and wait for its success; returns its id."""
    stack.wait_for_dag(dag_id)
    run_id = stack.trigger(dag_id, conf)
    assert stack.wait_for_run(dag_id, run_id, 300) == "success", explain(stack, dag_id, run_id)
    return run_id


def result_bytes(folder: Path) -> dict[str, bytes]:
    """What a run of a small pipeline published, without the footer, which names the run; the parts of partition 1."""
    published = (folder / "out.parquet").read_bytes()
    footer = int.from_bytes(published[-8:-4], "little") + 8
    parts = {path.name: path.read_bytes() for path in folder.glob("staged/p=1/*/part-*.parquet")}
    return {"out.parquet": published[:-footer], **parts}


def alive(pid: int) -> bool:
    """Running, and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def parent(pid: int) -> int:
    """Its parent's id."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
