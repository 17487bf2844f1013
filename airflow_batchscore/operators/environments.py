"""The Python that a task runs a model in, found as the DAG's author named it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import conf

from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.authored import dag_of
from airflow_batchscore.operators.seal import SECTION

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_batchscore.engine.environments.environment import Environment


def interpreter(operator: BaseOperator, environment: Environment | None) -> str | None:
    """Path of the interpreter, which is made first if it has to be; None for that of this process.

    Raises:
        InputError, EngineError, OSError: see `Environment.interpreter`.
    """
    if environment is None:
        return None
    from airflow_batchscore.engine.environments.cache import default_folder

    dag = dag_of(operator)
    beside = Path(dag.fileloc).parent if dag else Path.cwd()
    configured = Path(conf.get(SECTION, "environments_folder", fallback="") or default_folder()).expanduser()
    if not configured.is_absolute():
        raise InputError(f"[{SECTION}] environments_folder = {configured}: give an absolute path")
    return environment.interpreter(beside, configured)
