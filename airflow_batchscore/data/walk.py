"""What lies below a folder of a local (or mounted) disk, each file once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress


def files_below(folder: str, *, recursive: bool) -> Iterator[tuple[str, os.stat_result]]:
    """Path below `folder` and status of each file; nothing where there is no folder.

    Links are followed, but not back into a folder that the walk came through: what lies there is listed already, and
    a folder that links to itself would give its files again and again. Bytes of a name that are not UTF-8 are
    surrogates in the path.

    Raises:
        OSError: a folder cannot be read; NotADirectoryError when `folder` is a file.
    """
    return _walk(folder, "", recursive, ())


def _walk(
    folder: str, below: str, recursive: bool, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except FileNotFoundError:  # also one that was removed since its parent was read
        return
    here = os.stat(folder)
    above = (*above, (here.st_dev, here.st_ino))
    for entry in entries:
        with suppress(FileNotFoundError):  # removed since, or a link to nowhere
            status = entry.stat()
            if entry.is_file():
                yield below + entry.name, status
            elif recursive and entry.is_dir() and (status.st_dev, status.st_ino) not in above:
                yield from _walk(entry.path, f"{below}{entry.name}/", recursive, above)
