"""The Airflow plugin: the run report behind Airflow's own login, and imports before tasks are forked."""

from __future__ import annotations

import sys
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_batchscore.links import URL_PREFIX, DaskDashboardLink, RunReportLink


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """The web app, imported on its first request: every airflow command loads plugins, few serve pages."""
    from airflow_batchscore.plugin.web import app

    await app(scope, receive, send)


class BatchscorePlugin(AirflowPlugin):
    """Adds the report's page to the API server."""

    name = "batchscore"
    fastapi_apps = [{"app": _app, "url_prefix": URL_PREFIX, "name": "batchscore"}]
    operator_extra_links = [DaskDashboardLink(), RunReportLink()]

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Preload in a scheduler that forks tasks.

        No listener does this: an Airflow with any listener refuses DAGs that use ``end_from_trigger``.
        """
        if sys.argv[1:2] == ["scheduler"]:
            from airflow_batchscore.plugin.preloading import preload_in_scheduler

            preload_in_scheduler()
