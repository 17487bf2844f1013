"""The Airflow plugin: the run report behind Airflow's own login."""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_batchscore.links import URL_PREFIX, RunReportLink


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """The web app, imported at its first request: every airflow command loads plugins, few serve pages."""
    from airflow_batchscore.plugin.web import app

    await app(scope, receive, send)


class BatchscorePlugin(AirflowPlugin):
    """Adds the report's page to the API server."""

    name = "batchscore"
    fastapi_apps = [{"app": _app, "url_prefix": URL_PREFIX, "name": "batchscore"}]
    operator_extra_links = [RunReportLink()]
