"""The versions that a model was made with, if others are installed here: what the message of an error says of them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias

from airflow_batchscore.errors import BatchScoreError, ModelError, ScoringError, said

#: Library -> (version that a model was made with, version here); None if that is not known, or it is not installed.
Versions: TypeAlias = Mapping[str, tuple[str | None, str | None]]

#: How pickle writes the name and the value: each as an opcode, its length and the text.
_PICKLED = re.compile(rb"_sklearn_version.{1,6}?[\x8cX](.)(?:\0{3})?(\d[\w.+]*)", re.DOTALL)
_ZLIB_OR_GZIP = 47


def of_pickle(data: bytes) -> Versions:
    """scikit-learn's version, if the bytes hold an estimator that another one pickled. Loads nothing.

    scikit-learn's own warning about this comes too late: it is not given where loading fails before it.
    """
    with suppress(zlib.error):  # joblib.dump(..., compress=3)
        data = zlib.decompress(data, wbits=_ZLIB_OR_GZIP)
    found = _PICKLED.search(data)
    if found is None:
        return {}
    made = found[2][: found[1][0]].decode()
    try:
        here = version("scikit-learn")
    except PackageNotFoundError:
        return {}
    return {"scikit-learn": (made, here)} if made != here else {}


@contextmanager
def named(versions: Callable[[], Versions]) -> Iterator[None]:
    """The message of an error of the model or of scoring ends with these versions, if there are any."""
    try:
        yield
    except (ModelError, ScoringError) as error:
        if text := cause(versions()):
            raise type(error)(f"{error}{text}") from error
        raise
    except (BatchScoreError, OSError):
        raise
    except Exception as error:  # a library may raise anything if attributes of its newer version are missing
        if text := cause(versions()):
            raise ModelError(f"{said(error)}{text}") from error
        raise


def cause(versions: Versions) -> str:
    """For the end of the message of an error that other versions may have caused; empty if there are none."""
    differ = ", ".join(
        f"{name} {made or 'of an unknown version'} (here {here or 'not installed'})"
        for name, (made, here) in versions.items()
    )
    return f". The model was made with {differ}{cure(versions)}" if differ else ""


def cure(versions: Versions) -> str:
    """What makes them the same; empty if that is not known."""
    lines = [f"{name}=={made}" for name, (made, _) in versions.items() if made]
    if not lines:
        return ""
    return f". Import it with environment={lines}, and give the scoring task the same: LocalDask(environment={lines})"
