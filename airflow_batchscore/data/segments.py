"""Safe URIs: no segment leads up, refers to itself, or decodes to one that does."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

from airflow_batchscore.errors import InputError

#: Maximum times a name may be percent-encoded. Names are encoded once here, and names that embed them twice.
_MOST_ENCODED = 4
_MOST_SHOWN = 300


def require_plain(uri: str, what: str) -> None:
    """Raise InputError unless every segment of `uri` names something.

    Segments that are empty, ``.`` or ``..``, backslashes and control characters are refused, both literally and
    percent-decoded, however often they were encoded: a store, a proxy or a library may decode once more than we do. A
    legitimate encoded slash (``t%2F1``) is a name like any other, and one trailing slash denotes a folder.

    Args:
        what: name of the URI in the message, such as ``model`` or ``output_uri``.
    """
    scheme, separator, rest = uri.partition("://")
    path = (rest if separator else uri).removesuffix("/")
    if not separator or scheme == "file":
        path = path.removeprefix("/")
    _require_names_decoded(path, uri, what)


def require_plain_below(path: str, folder: str, what: str) -> None:
    """`require_plain` for the path below a folder and a slash."""
    _require_names_decoded(path.removesuffix("/"), path, f"{what} below {folder}:")


def _require_names_decoded(path: str, given: str, what: str) -> None:
    shown = given if len(given) <= _MOST_SHOWN else f"{given[:_MOST_SHOWN]}..."
    for _ in range(_MOST_ENCODED + 1):
        _require_names(path, f"{what} {shown!r}")
        path, before = unquote(path), path
        if path == before:
            return
    raise InputError(f"{what} {shown!r} is percent-encoded more than {_MOST_ENCODED} times; write the name as it is")


def _require_names(path: str, what: str) -> None:
    bad = next((segment for segment in path.split("/") if segment in ("", ".", "..")), None)
    if bad is not None:
        raise InputError(
            f"{what} has {f'the segment {bad!r}' if bad else 'an empty segment'}, as it stands or "
            "percent-decoded, and may lie elsewhere than it seems; write the whole place, with a name in each segment"
        )
    if "\\" in path or any(unicodedata.category(letter) == "Cc" for letter in path):
        raise InputError(f"{what} holds a backslash or a control character, as it stands or percent-decoded")
