"""What lies below a folder of a local (or mounted) disk, each file once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress


def files_below(folder: str, *, recursive: bool) -> Iterator[tuple[str, os.stat_result]]:
    """Path below `folder` and status of each file; nothing if the folder does not exist.

    Links are followed, but not back into a folder the walk came through: its contents are already listed, and a folder
    that links to itself would return its files endlessly. Bytes of a name that are not UTF-8 become surrogates in the
    path.

    Raises:
        OSError: a folder cannot be read; NotADirectoryError when `folder` is a file.
    """
    return _walk(folder, "", recursive, ())


def _walk(
    folder: str, below: str, recursive: bool, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except FileNotFoundError:  # also one removed since its parent was read
        return
    here = os.stat(folder)
    above = (*above, (here.st_dev, here.st_ino))
    for entry in entries:
        with suppress(FileNotFoundError):  # removed since, or a broken link
            status = entry.stat()
            if entry.is_file():
                yield below + entry.name, status
            elif recursive and entry.is_dir() and (status.st_dev, status.st_ino) not in above:
                yield from _walk(entry.path, f"{below}{entry.name}/", recursive, above)
