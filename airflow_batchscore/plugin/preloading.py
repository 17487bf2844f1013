"""Whether this process imports what tasks need, by the configuration."""

from __future__ import annotations

import logging
import multiprocessing
import pkgutil
from functools import cache
from importlib.util import find_spec

from airflow.sdk import conf

import airflow_batchscore
from airflow_batchscore.operators.places import words
from airflow_batchscore.operators.seal import SECTION
from airflow_batchscore.preload import preload

log = logging.getLogger(__name__)


def preload_in_scheduler() -> None:
    """`preload_as_configured`, in a scheduler whose executor forks the tasks."""
    executors = conf.get("core", "executor", fallback="LocalExecutor")
    if "LocalExecutor" in executors and multiprocessing.get_start_method() == "fork":
        preload_as_configured()


@cache  # tasks load the plugin, too, and inherit what the scheduler did
def preload_as_configured() -> None:
    """``[batchscore] preload`` and ``preload_modules``; all of this package but its pages."""
    try:
        wanted = conf.getboolean(SECTION, "preload", fallback=True)
    except Exception:  # of a private class of Airflow's; it would take the whole plugin down
        written = conf.get(SECTION, "preload", fallback=None)
        log.error("[batchscore] preload=%r: write True or False. Nothing is imported before tasks are forked", written)
        return
    if wanted:
        ours = [each.name for each in pkgutil.walk_packages(airflow_batchscore.__path__, "airflow_batchscore.")]
        preload(*(name for name in ours if _may_be_needed(name)), *words("preload_modules"))


def _may_be_needed(name: str) -> bool:
    if name == "airflow_batchscore.operators.lineage":  # only Airflow's OpenLineage provider asks for it
        return find_spec("airflow.providers.openlineage") is not None
    return ".plugin" not in name
