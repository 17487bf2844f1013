"""Operator extra links, and where the pages that they lead to are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow_batchscore import __version__
from airflow_batchscore.compat import require_airflow

require_airflow()

from airflow.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

#: Mount point of the plugin's web app on Airflow's API server.
URL_PREFIX = "/batchscore"
#: Name of a run's tab in the addresses of Airflow's UI.
RUN_TAB = "batchscore-run"


def base_path() -> str:
    """Path of ``[api] base_url``, without a slash at its end: where Airflow's API server begins for a browser."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


def path_of(*names: object) -> str:
    """Path segments, encoded."""
    return "/".join(quote(str(name), safe="") for name in names)


def report_path(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Where the API server shows the report that a task wrote, below `base_path`."""
    return f"{URL_PREFIX}/report/{path_of(dag_id, run_id, task_id)}?map_index={map_index}"


def script_path(name: str) -> str:
    """Where a browser finds a script of the pages, of this version of the package."""
    return f"{base_path()}{URL_PREFIX}/static/{name}?v={__version__}"


def run_tab_url(dag_id: str, run_id: str) -> str:
    """Address of the run's tab "Scoring" in Airflow's UI; empty if Airflow's own address is not configured."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{path_of(dag_id)}/runs/{path_of(run_id)}/plugin/{RUN_TAB}" if base else ""


class DaskDashboardLink(BaseOperatorLink):
    """Opens the dashboard of the task's Dask cluster. The task stores its address as an XCom while it runs."""

    name = "Dask dashboard"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """No address: called in the task's process when the task ends, and replaces the one stored."""
        return ""


class RunReportLink(BaseOperatorLink):
    """Opens the run's report, which the plugin reads from storage for users who may see the DAG."""

    name = "Run report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address on the API server; called in the task's process when the task ends."""
        return f"{base_path()}{report_path(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)}"


class BatchScoringLink(BaseOperatorLink):
    """Opens the page of the run; of a mapped task, that of the task.

    For people who see no tabs of plugins. The plugin registers it, so that the API server resolves it also while the
    task runs, without an XCom of each task.
    """

    name = "Batch scoring"

    @property
    def operators(self) -> list[type[BaseOperator]]:  # type: ignore[override]
        """All of this package; imported when the API server asks."""
        from airflow_batchscore import operators, sensors

        return [sensors.PartitionSensor, *(getattr(operators, name) for name in operators.__all__)]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address on the API server."""
        if ti_key.map_index < 0:
            return f"{base_path()}{URL_PREFIX}/run/{path_of(ti_key.dag_id, ti_key.run_id)}"
        names = path_of(ti_key.dag_id, ti_key.run_id, ti_key.task_id)
        return f"{base_path()}{URL_PREFIX}/task/{names}?map_index={ti_key.map_index}"
