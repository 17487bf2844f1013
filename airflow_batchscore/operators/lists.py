"""Long lists between tasks: on storage, with a reference to them in XCom.

A plan of 100,000 partitions is megabytes, and every mapped task would be handed all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.errors import GateError

#: Items that go through XCom as they are.
MOST_INLINE = 20


def shortened(items: Sequence[Any], folder: str | None, conn_id: str | None) -> Any:
    """`items` when they are few or there is no folder; else ``{"list", "items", "digest", "conn_id"}``, and a file.

    The file is named by its content, so that a retry writes the same one.
    """
    if folder is None or len(items) <= MOST_INLINE:
        return list(items)
    data = json.dumps(items).encode()
    digest = hashlib.sha256(data).hexdigest()
    uri = storage.join(folder, f"{digest[:16]}.json")
    storage.write_bytes(uri, data, connect(uri, conn_id))
    return {"list": uri, "items": len(items), "digest": digest, "conn_id": conn_id}


def full(values: Sequence[Any]) -> list[list[Any]]:
    """The lists that `shortened` was given; side by side where they lie on a remote store.

    Raises:
        GateError: a file is gone or was altered.
    """
    references = [value for value in values if isinstance(value, dict)]
    known_as = {value["conn_id"]: value["list"] for value in references}
    known_as = {conn_id: connect(uri, conn_id) for conn_id, uri in known_as.items()}

    def read(value: Any) -> list[Any]:
        return _read(value, known_as[value["conn_id"]]) if isinstance(value, dict) else list(value)

    return storage.each(read, values, references[0]["list"] if references else "/")


def _read(reference: Mapping[str, Any], conn_id: str | None) -> list[Any]:
    uri = reference["list"]
    try:
        data = storage.read_bytes(uri, conn_id)
    except FileNotFoundError:
        raise GateError(f"{uri} is gone: clear the task that wrote it (the plan, or a scoring task)") from None
    if hashlib.sha256(data).hexdigest() != reference["digest"]:
        raise GateError(f"{uri} was altered: clear the task that wrote it (the plan, or a scoring task)")
    items: list[Any] = json.loads(data)
    return items
