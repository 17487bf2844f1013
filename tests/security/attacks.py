"""What an attacker plants, and what the attacks of `test_attacks_*.py` must come to."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from people import Person, Run
from stack import Stack

from airflow_batchscore import errors

#: How an operator's message begins: the kind of error, so that an on-call person knows where to look.
_KINDS = "|".join(name for name, found in vars(errors).items() if isinstance(found, type))


class Payload:
    """Leaves a mark when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, bool]]:
        return os.makedirs, (str(self.mark), True)


def malicious_version(version: Path, like: Path, mark: Path) -> dict[str, Any]:
    """A version whose estimator leaves a mark when it is loaded; all digests fit. Returns how a plan names it."""
    version.mkdir(parents=True, exist_ok=True)
    data = pickle.dumps(Payload(mark))
    value = json.loads((like / "model.json").read_text())
    value |= {"digest": hashlib.sha256(data).hexdigest(), "file": "model.joblib", "flavor": "joblib"}
    (version / "model.joblib").write_bytes(data)
    (version / "model.json").write_text(json.dumps(value))
    pinned = hashlib.sha256((version / "model.json").read_bytes()).hexdigest()
    return {"uri": str(version), "digest": value["digest"], "conn_id": None, "manifest_digest": pinned}


def version_of(model: Path) -> Path:
    """A version below a model's folder."""
    return next(model.glob("*/model.json")).parent


def start(person: Person, dag_id: str, conf: Mapping[str, Any]) -> Run:
    answer = person.trigger(dag_id, conf)
    assert answer.status == 200, answer.body
    return Run(dag_id, answer.value["dag_run_id"])


def finish(stack: Stack, run: Run, seconds: float = 240) -> str:
    return stack.wait_for_run(run.dag_id, run.run_id, seconds)


def refusals(stack: Stack, run: Run) -> dict[str, str]:
    """``task`` or ``task-map_index`` -> the operator's message, of all tasks that failed; a bare traceback is none."""
    failed = [task for task in stack.task_instances(run.dag_id, run.run_id) if task["state"] == "failed"]
    return {_name(task): _message(stack, run, task) for task in failed}


def refused(person: Person, dag_id: str, conf: Mapping[str, Any]) -> str:
    """Trigger a run that must not go through; returns the form's or the operator's message."""
    answer = person.trigger(dag_id, conf)
    if answer.status in (400, 422):
        return str(answer.value["detail"])
    assert answer.status == 200, answer.body
    run = Run(dag_id, answer.value["dag_run_id"])
    assert finish(person.stack, run) == "failed", f"{dag_id} went through with {conf}"
    (message,) = refusals(person.stack, run).values()
    return message


def _name(task: Mapping[str, Any]) -> str:
    return str(task["task_id"]) if task["map_index"] < 0 else f"{task['task_id']}-{task['map_index']}"


def _message(stack: Stack, run: Run, task: Mapping[str, Any]) -> str:
    path = f"{run.path}/taskInstances/{task['task_id']}/logs/{task['try_number']}?map_index={task['map_index']}"
    lines = stack.get(path)["content"]
    said = [line for line in lines if isinstance(line, dict) and line.get("error_detail")]
    assert said, f"{_name(task)} failed without an error in its log: {lines[-5:]}"
    last = said[-1]["error_detail"][0]
    assert last["exc_type"] == "AirflowFailException", f"{_name(task)}: {last['exc_type']}: {last['exc_value']}"
    assert re.match(rf"({_KINDS}): .{{20,}}", last["exc_value"], re.DOTALL), last["exc_value"]
    return str(last["exc_value"])


@contextmanager
def edited(person: Person, run: Run, task_id: str, value: Any, map_index: int = -1) -> Iterator[None]:
    """The XCom has this value meanwhile."""
    before = person.xcom(run, task_id, map_index)
    person.edit_xcom(run, task_id, value, map_index)
    try:
        yield
    finally:
        person.edit_xcom(run, task_id, before, map_index)


def returned(person: Person, run: Run) -> dict[tuple[str, int], Any]:
    """What each task of this package returned, by task and map index."""
    ours = ("train", "check_model", "plan", "score", "check_scores", "publish")
    tasks = person.stack.task_instances(run.dag_id, run.run_id)
    keys = [(str(task["task_id"]), int(task["map_index"])) for task in tasks if task["task_id"] in ours]
    return {key: person.xcom(run, *key) for key in keys}


def cleared(person: Person, run: Run, *task_ids: str) -> dict[str, str]:
    """Run tasks again; returns what `refusals` does."""
    person.clear(run, task_ids)
    finish(person.stack, run)
    return refusals(person.stack, run)


def bytes_below(*folders: Path) -> dict[str, str]:
    """Digests of the files that a run has no business to change."""
    airflows_own = re.compile(r"logs/|airflow\.db|standalone\.log|.*__pycache__/")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not airflows_own.match(str(path.relative_to(folder)))
    }


def copy_of(path: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(path, to))
