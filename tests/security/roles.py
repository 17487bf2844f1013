"""What each role may do, asked of a real API server, as a table in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from people import Person, Run

ANYBODY = "no token"
FORGER = "a token of another key"


@dataclass(frozen=True)
class Action:
    """One request; `route` is the plugin's that answers it, where it is one of ours."""

    name: str
    method: str
    path: Callable[[Run], str]
    body: Mapping[str, object] | None = None
    route: str | None = None


def _task(task_id: str, rest: str = "") -> Callable[[Run], str]:
    return lambda run: f"{run.path}/taskInstances/{task_id}{rest}"


def _dag(rest: str) -> Callable[[Run], str]:
    return lambda run: f"/api/v2/dags/{run.dag_id}{rest}"


#: A run that stays in the queue: it waits for the only one that may be active.
_RUN = {"conf": {"years": [2014]}, "logical_date": None}
_CLEAR = {"task_ids": ["score"], "only_failed": False}

_LISTS = {
    "the runs": "/batchscore/api/runs",
    "the models": "/batchscore/api/models",
    "the data sets": "/batchscore/api/datasets",
}
_MOVE = "/batchscore/api/promote"
_REPORT = "/batchscore/report/{dag_id}/{run_id}/{task_id}"
_PROMOTE = {
    "dag_id": "wta_batch_scoring",
    "model_uri": "/no/such/model",
    "conn_id": None,
    "alias": "champion",
    "version": "1",
}
_VIEW = "/batchscore/api/run/{dag_id}/{run_id}"
_TASK_VIEW = "/batchscore/api/task/{dag_id}/{run_id}/{task_id}"


def _page(kind: str, rest: str = "") -> Callable[[Run], str]:
    return lambda run: f"/batchscore/{kind}/{run.dag_id}/{quote(run.run_id, safe='')}{rest}"


def _other(run: Run) -> Run:
    return Run("form_output", run.run_id)


#: Of this package's plugin.
OURS = [
    Action("the run's report", "GET", lambda run: run.report(), route=_REPORT),
    Action("a report that the task has not written", "GET", lambda run: run.report("plan"), route=_REPORT),
    Action("the report of a run of another DAG", "GET", lambda run: _other(run).report(), route=_REPORT),
    Action("the run's tab", "GET", _page("api/run"), route=_VIEW),
    Action("the tab of a run of another DAG", "GET", lambda run: _page("api/run")(_other(run)), route=_VIEW),
    Action("the run's distributions", "GET", _page("api/run", "/profiles"), route=f"{_VIEW}/profiles"),
    Action("the run's rows in quarantine", "GET", _page("api/run", "/quarantine"), route=f"{_VIEW}/quarantine"),
    Action("a task's tab", "GET", _page("api/task", "/score?map_index=0"), route=_TASK_VIEW),
    Action("the run's page outside of Airflow's", "GET", _page("run"), route="/batchscore/run/{dag_id}/{run_id}"),
    Action(
        "a task's page outside of Airflow's",
        "GET",
        _page("task", "/score?map_index=0"),
        route="/batchscore/task/{dag_id}/{run_id}/{task_id}",
    ),
    # Of the DAGs that one may read: who may read none gets empty lists.
    *(
        Action(f"list {what} of readable DAGs", "GET", lambda _, path=path: path, route=path)  # type: ignore[misc]
        for what, path in _LISTS.items()
    ),
    Action("move an alias of a model that no run has named", "POST", lambda _: _MOVE, _PROMOTE, route=_MOVE),
    Action("a script of the pages", "GET", lambda _: "/batchscore/static/main.js", route="/batchscore/static/{name}"),
]
AIRFLOWS = [
    Action("see the DAG", "GET", _dag("")),
    Action("see the list of plugins, by which the UI shows their tabs", "GET", lambda _: "/api/v2/plugins"),
    Action("read a task's log", "GET", _task("publish", "/logs/1")),
    Action("read an XCom", "GET", _task("plan", "/xcomEntries/return_value")),
    Action("trigger a run with conf", "POST", _dag("/dagRuns"), _RUN),
    Action("clear tasks", "POST", _dag("/clearTaskInstances"), _CLEAR),
    Action("mark a task as success", "PATCH", _task("publish"), {"new_state": "success"}),
    Action("add an XCom", "POST", _task("choose_model", "/xcomEntries"), {"key": "mine", "value": 1}),
    Action("edit an XCom", "PATCH", _task("choose_model", "/xcomEntries/return_value"), {"value": "train"}),
    Action("read connections", "GET", lambda _: "/api/v2/connections"),
    Action("read the configuration", "GET", lambda _: "/api/v2/config"),
]

_SAID = {200: "yes", 201: "yes", 401: "no: log in", 403: "no", 404: "nothing there", 409: "yes"}


def table(people: Mapping[str, Person], run: Run) -> str:
    """A row for each action, a column for each of `people`."""
    rows = [["", *people], ["---"] * (len(people) + 1)]
    for action in [*OURS, *AIRFLOWS]:
        answers = [person.ask(action.method, action.path(run), action.body).status for person in people.values()]
        rows.append([action.name, *(_SAID.get(status, str(status)) for status in answers)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def with_table(document: str, heading: str, made: str) -> str:
    """The document with the table below a heading replaced."""
    found = re.compile(rf"(?<=\n## {re.escape(heading)}\n)([^#]*?)(^\|.*\n)+", re.MULTILINE)
    document, replaced = found.subn(lambda match: f"{match[1]}{made}\n", document, count=1)
    assert replaced == 1, f"{heading}: there is no table to compare with"
    return document
