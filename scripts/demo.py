"""``make demo [DAG=name]``: an example pipeline through a real Airflow, everything below .demo/."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from demo_results import print_results
from examples import EXAMPLES
from signals import exit_on_signals
from stack import ROOT, Stack, StackError, example_environment, explain
from wta_data import find_matches

_LAST_LINES = 15
_AT_WORK = ("running", "deferred")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dag", choices=EXAMPLES, default="wta_batch_scoring", help="which example")
    parser.add_argument("--home", type=Path, default=ROOT / ".demo", help="where everything goes (default: .demo)")
    parser.add_argument("--sensors", type=int, help="of sensor_anomaly (default: 200)")
    asked = parser.parse_args()
    exit_on_signals()
    if lacks := EXAMPLES[asked.dag].lacks:
        print(f"{asked.dag} needs {lacks}", file=sys.stderr)
        return 1
    home: Path = asked.home.resolve()
    try:
        _run(asked.dag, asked.sensors, home)
    except (StackError, OSError) as error:
        print(explain(error, home), file=sys.stderr)
        return 1
    return 0


def _run(name: str, sensors: int | None, home: Path) -> None:
    clock = Clock()
    matches = ""
    if name.startswith("wta_"):
        matches, what = find_matches(home / "synthetic-matches")
        print(f"data    {what}")
    stack = Stack(home / "airflow", ROOT / "dags", extra=example_environment(matches, home), say=clock.say)
    print(f"airflow scheduler, DAG processor, triggerer and API server on {stack.url}, LocalExecutor, {stack.home}")
    clock.say("Airflow starts: half a minute, the first time a minute")
    with stack:
        clock.say("Airflow is up")
        conf = {**EXAMPLES[name].conf, **({"sensors": sensors} if sensors else {})}
        run_example(stack, name, conf, clock.say)
    print_results(name, home)
    print(f"done in {clock.seconds:.0f} s")


class Clock:
    """Says what happens, and when."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        print(f"{self.seconds:6.1f} s  {text}", flush=True)


def run_example(stack: Stack, name: str, conf: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Run an example to its end. Raises StackError with the end of a task's log if it fails."""
    example = EXAMPLES[name]
    if example.after:
        run_example(stack, example.after, EXAMPLES[example.after].conf, say)
    for dag_id in example.dags:
        stack.wait_for_dag(dag_id)
    if name == "model_decay":
        _decay(stack, say)
    elif name == "wta_partitioned_assets":
        arrive(stack, say)
    else:
        _finish(stack, name, stack.trigger(name, conf), say)


def _decay(stack: Stack, say: Callable[[str], None]) -> None:
    """A first model, a check that passes, one that does not, and the training that this triggers."""
    stack.unpause("decay_retrain")
    before = stack.newest_run("decay_retrain")
    _finish(stack, "decay_start", stack.trigger("decay_start", {}), say)
    for month in ("2026-02", "2026-06"):
        _finish(stack, "decay_watch", stack.trigger("decay_watch", {"month": month}), say)
    say("waiting for decay_retrain, which nobody triggers")
    _finish(stack, "decay_retrain", stack.wait_for_newer_run("decay_retrain", before), say)


def arrive(stack: Stack, say: Callable[[str], None]) -> None:
    """Years are announced; each one starts a run that scores it, and all together start one that makes the full set."""
    for dag_id in ("wta_score_year", "wta_full_set"):
        stack.unpause(dag_id)
    earlier = {dag_id: len(stack.started_by_events(dag_id)) for dag_id in ("wta_score_year", "wta_full_set")}
    run_id = stack.trigger("wta_arrivals", {})
    _finish(stack, "wta_arrivals", run_id, say)
    path = f"/api/v2/dags/wta_arrivals/dagRuns/{quote(run_id)}/taskInstances/announce/xcomEntries/return_value"
    announced = stack.get(f"{path}?deserialize=true")["value"]["announced"]
    say(f"announced: {', '.join(announced) or 'nothing, because no year is new'}")
    _finish_started(stack, "wta_score_year", earlier["wta_score_year"] + len(announced), say)
    if announced and not earlier["wta_full_set"]:
        _finish_started(stack, "wta_full_set", 1, say)


def _finish_started(stack: Stack, dag_id: str, count: int, say: Callable[[str], None]) -> None:
    """Print changes until so many runs that asset events started have ended."""
    patience, said = stack.patience(), ""
    while True:
        runs = stack.started_by_events(dag_id)
        for run in runs:
            if run["state"] == "failed":
                raise StackError(_why(stack, dag_id, run["dag_run_id"]))
        done = sum(run["state"] == "success" for run in runs)
        line = f"{dag_id}: {done}/{count} runs done, which nobody triggered"
        if line != said:
            say(line)
            said = line
        if done >= count:
            return
        news = [task["state"] for run in runs for task in stack.task_instances(dag_id, run["dag_run_id"])]
        stack.wait(patience, line, news)


def _finish(stack: Stack, dag_id: str, run_id: str, say: Callable[[str], None]) -> None:
    """Print changes until the run ends."""
    say(f"{dag_id}: run {run_id}")
    patience, said = stack.patience(), ""
    while (state := stack.state(dag_id, run_id)) not in ("success", "failed"):
        instances = stack.task_instances(dag_id, run_id)
        line = _progress(instances)
        if line != said and any(task["state"] in _AT_WORK for task in instances):
            say(line)
            said = line
        news = sorted((str(task["id"]), str(task["state"]), task["try_number"]) for task in instances)
        stack.wait(patience, f"{dag_id}: {line}", news)
    if state == "failed":
        raise StackError(_why(stack, dag_id, run_id))


def _why(stack: Stack, dag_id: str, run_id: str) -> str:
    lines = []
    for task in stack.task_instances(dag_id, run_id):
        if task["state"] == "failed":
            lines += [f"task {task['task_id']} {task['rendered_map_index'] or ''} of {dag_id} failed:"]
            lines += stack.task_log(task)[-_LAST_LINES:]
    return "\n".join(lines) or f"run {run_id} of {dag_id} failed, and none of its tasks. {stack.last_lines()}"


def _progress(instances: list[dict[str, Any]]) -> str:
    scoring = [instance for instance in instances if instance["task_id"] == "score" and instance["map_index"] >= 0]
    done = Counter(task["state"] for task in scoring)["success"]
    text = f"scoring tasks done {done}/{len(scoring)}" if scoring else "preparing"
    running = sorted({task["task_id"] for task in instances if task["state"] in _AT_WORK})
    retried = sorted({task["task_id"] for task in instances if task["state"] == "up_for_retry"})
    parts = [text, *_named("running", running), *_named("failed once, about to be tried again", retried)]
    return ", ".join(parts)


def _named(what: str, tasks: list[str]) -> list[str]:
    return [f"{what}: {', '.join(tasks)}"] if tasks else []


if __name__ == "__main__":
    sys.exit(main())
