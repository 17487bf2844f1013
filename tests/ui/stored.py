"""What runs left on storage and in Airflow, to compare what a page shows with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from people import Person


def manifests(person: Person, dag_id: str, run_id: str) -> dict[str, Any]:
    """Partition key -> manifest, as the run's scoring tasks named them."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/score"
    found = {}
    for task in person.must("GET", f"{path}/listMapped?limit=100")["task_instances"]:
        if task["state"] == "success":
            entry = person.must("GET", f"{path}/xcomEntries/return_value?map_index={task['map_index']}")["value"]
            value = json.loads(entry) if isinstance(entry, str) else entry
            for scored in value["manifests"]:
                manifest = json.loads(Path(scored["manifest"]).read_text())
                ((field, text),) = manifest["partition"].items()
                found[f"{field}={text}"] = manifest
    return found


def extra_links(person: Person, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, str]:
    """What Airflow offers beside a task: name -> address."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/links"
    links: dict[str, str] = person.must("GET", f"{path}?map_index={map_index}")["extra_links"]
    return links
