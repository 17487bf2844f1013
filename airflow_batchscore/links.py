"""Operator extra links."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

#: Mount point of the plugin's web app on Airflow's API server.
URL_PREFIX = "/batchscore"


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
        base = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
        names = "/".join(quote(str(name), safe="") for name in (ti_key.dag_id, ti_key.run_id, ti_key.task_id))
        return f"{base}{URL_PREFIX}/report/{names}?map_index={ti_key.map_index}"
