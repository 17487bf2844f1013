"""The metadata that Airflow requests from a provider package."""

from __future__ import annotations

from typing import Any

import airflow_batchscore


def get_provider_info() -> dict[str, Any]:
    """Package, operators, sensors, triggers and links, in the form of Airflow's provider schema."""
    name = "Batch scoring"
    operators = ["announce_partitions", "train", "import_model", "check_model", "plan", "score", "check_scores"]
    operators += ["combine", "evaluate", "clean_staging"]
    return {
        "package-name": "airflow-batchscore",
        "name": name,
        "description": "Train on a subset, score every partition in parallel, audit, publish.",
        "versions": [airflow_batchscore.__version__],
        "integrations": [{"integration-name": name, "external-doc-url": "", "tags": ["software"]}],
        "operators": [
            {
                "integration-name": name,
                "python-modules": [f"airflow_batchscore.operators.{module}" for module in operators],
            }
        ],
        "sensors": [{"integration-name": name, "python-modules": ["airflow_batchscore.sensors.partition"]}],
        "triggers": [{"integration-name": name, "python-modules": ["airflow_batchscore.triggers.partition"]}],
        "notifications": ["airflow_batchscore.notifications.notifier.BatchScoreNotifier"],
        "extra-links": ["airflow_batchscore.links.DaskDashboardLink", "airflow_batchscore.links.RunReportLink"],
        "config": {
            "batchscore": {
                "description": "What may be loaded and written (see SECURITY.md of airflow-batchscore); start-up.",
                "options": {
                    "trusted_model_uris": _option(
                        "URIs, separated by commas or spaces, below which a model must lie; conn_id@uri for another "
                        "connection than the default one. When empty, below what the DAG's author wrote.",
                        example="s3://models/ aws_prod@s3://shared-models/",
                        default="",
                    ),
                    "output_uris": _option(
                        "URIs below which tasks may write scores, models and reports, written likewise. When empty, "
                        "below what the DAG's author wrote, but not in AIRFLOW_HOME or the DAGs folder.",
                        example="s3://scores/",
                        default="",
                    ),
                    "secret": _option(
                        "Random text that seals what tasks pass on through XCom; the same for workers and the API "
                        "server. When empty, [core] fernet_key or [api_auth] jwt_secret is taken.",
                        example="openssl rand -base64 32",
                        default="",
                        sensitive=True,
                    ),
                    "signing_conn_id": _option(
                        "Connection whose password is the key that model.json is signed with, and checked.",
                        example="batchscore_signing",
                        default="",
                    ),
                    "trusted_types": _option(
                        "Types that a skops file may hold beside those that skops knows to be harmless.",
                        example="my_package.transformers.Clip",
                        default="",
                    ),
                    "require_signature": _option(
                        "Refuse models that are not signed.", kind="boolean", example="True", default="False"
                    ),
                    "environments_folder": _option(
                        "Where environments are kept that tasks make for models (environment=): a folder on each "
                        "worker's disk that only its user may write to. When empty, ~/.cache/airflow-batchscore.",
                        example="/var/lib/airflow/environments",
                        default="",
                    ),
                    "preload": _option(
                        "Import pandas, pyarrow, scikit-learn and Dask in the scheduler (LocalExecutor) or in Celery's "
                        "worker before it forks tasks. That saves each task two seconds of CPU; that process "
                        "holds 180 MB more, most of it shared with its tasks.",
                        kind="boolean",
                        example="False",
                        default="True",
                    ),
                    "preload_modules": _option(
                        "Installed modules to import there as well, separated by commas or spaces: libraries of your "
                        "models whose import starts no thread. Not your own code, which would stay as it was when the "
                        "scheduler or worker started.",
                        example="xgboost lightgbm",
                        default="",
                    ),
                },
            }
        },
    }


def _option(
    description: str, *, example: str, default: str, kind: str = "string", sensitive: bool = False
) -> dict[str, Any]:
    return {
        "sensitive": sensitive,
        "description": description,
        "version_added": "0.1.0",
        "type": kind,
        "example": example,
        "default": default,
    }
