"""The Airflow plugin: pages behind Airflow's own login, and imports before tasks are forked."""

from __future__ import annotations

import sys
from typing import Any

from airflow_batchscore.compat import require_airflow

try:
    require_airflow()
except ImportError as error:
    print(error, file=sys.stderr)  # Airflow logs why a plugin is not there, and `airflow plugins` silences logs
    raise

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_batchscore.links import (
    RUN_TAB,
    URL_PREFIX,
    BatchScoringLink,
    DaskDashboardLink,
    RunReportLink,
    script_path,
)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """The web app, imported on its first request: every airflow command loads plugins, few serve pages."""
    from airflow_batchscore.plugin.web import app

    await app(scope, receive, send)


def _page(name: str, destination: str, url_route: str, **more: str) -> dict[str, str]:
    """A page in Airflow's own UI. Each has a URL of its own: a browser runs a module once per URL."""
    bundle = f"{script_path('main.js')}&at={destination}"
    return {"name": name, "destination": destination, "url_route": url_route, "bundle_url": bundle, **more}


class BatchscorePlugin(AirflowPlugin):
    """Adds the pages to Airflow's UI, and the routes that they ask to the API server."""

    name = "batchscore"
    fastapi_apps = [{"app": _app, "url_prefix": URL_PREFIX, "name": "batchscore"}]
    react_apps = [
        _page("Batch scoring", "nav", "batchscore", category="browse"),
        _page("Scoring", "dag_run", RUN_TAB),
        _page("Scoring", "task_instance", "batchscore-task"),
    ]
    operator_extra_links = [DaskDashboardLink(), RunReportLink(), BatchScoringLink()]

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Preload in a scheduler that forks tasks.

        No listener does this: an Airflow with any listener refuses DAGs that use ``end_from_trigger``.
        """
        if sys.argv[1:2] == ["scheduler"]:
            from airflow_batchscore.plugin.preloading import preload_in_scheduler

            preload_in_scheduler()
