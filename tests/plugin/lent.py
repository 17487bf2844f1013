"""The database's connections that are in use, as the app's engine lends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.settings import engine
from sqlalchemy import event


@contextmanager
def lent_connections() -> Iterator[set[int]]:
    """Those that somebody holds now."""
    held: set[int] = set()

    def lend(connection: Any, record: Any, proxy: Any) -> None:
        held.add(id(record))

    def take_back(connection: Any, record: Any) -> None:
        held.discard(id(record))

    event.listen(engine, "checkout", lend)
    event.listen(engine, "checkin", take_back)
    try:
        yield held
    finally:
        event.remove(engine, "checkout", lend)
        event.remove(engine, "checkin", take_back)
