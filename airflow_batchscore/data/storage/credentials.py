"""Storage options by connection name, known only to this process.

A connection's options are registered once per process under its name; datasets, blocks and jobs carry only that name,
so no secret enters a task graph, a manifest or a log line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
#: Keyword arguments of a storage library; a driver says which.
StorageOptions: TypeAlias = dict[str, Any]

#: Before the name of a catalog's connection, which may be a storage's, too, with other options.
CATALOG = "catalog "

_options: dict[str, StorageOptions] = {}
_caches: list[Callable[[], None]] = []


def register(conn_id: str, options: Mapping[str, object]) -> None:
    """Make `conn_id` usable in this process. Its storage driver says what `options` may hold."""
    if _options.get(conn_id) != dict(options):
        _options[conn_id] = dict(options)
        _clear()


def forget(conn_id: str) -> None:
    """Remove the registration of that name."""
    _options.pop(conn_id, None)
    _clear()


def registered() -> dict[str, StorageOptions]:
    """Every registered connection of a storage, to pass to worker processes over a private channel.

    Not those of catalogs: workers read files, and the task alone asks which.
    """
    return {name: options for name, options in _options.items() if not name.startswith(CATALOG)}


def options_of(conn_id: str | None) -> StorageOptions | None:
    """The options registered under that name; None if there are none."""
    return _options.get(conn_id) if conn_id else None


def per_connection(make: Callable[[str | None], T]) -> Callable[[str | None], T]:
    """Cache what `make` returns for each connection name, until a registration changes."""
    cached = cache(make)
    _caches.append(cached.cache_clear)
    return cached


def _clear() -> None:
    for clear in _caches:
        clear()
