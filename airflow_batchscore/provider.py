"""What Airflow asks a provider package about itself."""

from __future__ import annotations

from typing import Any

import airflow_batchscore


def get_provider_info() -> dict[str, Any]:
    """Package, operators, sensors, triggers and links, in the form of Airflow's provider schema."""
    name = "Batch scoring"
    operators = ["train", "check_model", "plan", "score", "check_scores", "combine"]
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
        "extra-links": ["airflow_batchscore.links.RunReportLink"],
    }
