"""Long lists passed between tasks: on storage, with a reference in XCom.

A plan of 100,000 partitions is megabytes, and every mapped task would receive all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import Json
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError

#: Longest list that goes through XCom unchanged.
MOST_INLINE = 20


@dataclass(frozen=True)
class StoredList:
    """A reference to a list on storage, which stands in its place.

    Attributes:
        list: URI of the file.
        items: number of them.
        digest: SHA-256 of the file's bytes.
        conn_id: Airflow connection of the file, as the DAG names it.
    """

    list: str
    items: int
    digest: str
    conn_id: str | None

    @property
    def location(self) -> Location:
        """The file, with the connection as the DAG names it."""
        return Location(self.list, self.conn_id)

    @classmethod
    def of(cls, value: Any) -> StoredList | None:
        """The reference that a part of a JSON value is; None if it is something else."""
        is_one = isinstance(value, Mapping) and value.keys() == cls.__dataclass_fields__.keys()
        return cls(**value) if is_one else None


def shortened(value: object, folder: Location | None) -> Json:
    """`value` (JSON), with each long list replaced by a `StoredList` (as JSON) and stored in a file.

    A file is named after its content, so a retry writes the same one. Without a folder, lists stay inline.

    Args:
        folder: with the connection as the DAG names it.
    """
    if isinstance(value, Mapping):
        return {name: shortened(item, folder) for name, item in value.items()}
    if not isinstance(value, list) or folder is None or len(value) <= MOST_INLINE:
        return value
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    file = folder / f"{digest[:16]}.json"
    storage.write_bytes(connect(file), data)
    return asdict(StoredList(file.uri, len(value), digest, file.conn_id))


def is_inline(value: object) -> bool:
    """Whether `full` would read no file for it."""
    return next(references(value), None) is None


def full(values: Sequence[object]) -> list[Json]:
    """The values that `shortened` was given; files on a remote store are read in parallel.

    Raises:
        GateError: a file is gone or was altered.
    """
    files = {reference.list: reference for value in values for reference in references(value)}
    by_connection = {reference.conn_id: uri for uri, reference in files.items()}  # each is looked up once
    connected = {conn_id: connect(Location(uri, conn_id)) for conn_id, uri in by_connection.items()}
    lists = storage.each(
        lambda reference: _read(connected[reference.conn_id].at(reference.list), reference.digest),
        [*files.values()],
        next(iter(files), "/"),
    )
    return [_filled(value, dict(zip(files, lists, strict=True))) for value in values]


def references(value: object) -> Iterator[StoredList]:
    """The files that `full` reads for it."""
    reference = StoredList.of(value)
    if reference is not None:
        yield reference
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)


def _filled(value: object, lists: Mapping[str, list[object]]) -> Json:
    reference = StoredList.of(value)
    if reference is not None:
        return lists[reference.list]
    return {name: _filled(item, lists) for name, item in value.items()} if isinstance(value, Mapping) else value


def _read(file: Location, digest: str) -> list[Json]:
    try:
        data = storage.read_bytes(file)
    except FileNotFoundError:
        raise GateError(f"{file} is gone: clear the task that wrote it (the plan, or a scoring task)") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise GateError(f"{file} was altered: clear the task that wrote it (the plan, or a scoring task)")
    items: list[object] = json.loads(data)
    return items
