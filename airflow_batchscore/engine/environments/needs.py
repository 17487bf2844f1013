"""What a Python must have to run this package's code: its dependencies, as far as a worker needs them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from airflow_batchscore.engine.environments import made
from airflow_batchscore.errors import EngineError

_DISTRIBUTION = "airflow-batchscore"
LEAST_PYTHON = (3, 11)
#: Older versions than this package itself requires, with which its code for workers is tested.
_FLOORS = {"scikit-learn": "scikit-learn>=1.3"}
#: What storages are written with, by scheme; some write without it, but with weaker promises.
_STORAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), ("boto3",)),
    **dict.fromkeys(("gs", "gcs"), ("google-cloud-storage",)),
    **dict.fromkeys(("abfs", "abfss", "az"), ("azure-identity", "azure-storage-blob")),
}


@cache
def _declared() -> dict[str, tuple[bool, str]]:
    """Package -> whether it is always needed, and its line."""
    found: dict[str, tuple[bool, str]] = {}
    for line in requires(_DISTRIBUTION) or ():
        requirement = Requirement(line)
        own = _FLOORS.get(requirement.name, line.partition(";")[0].replace(" ", ""))
        found.setdefault(requirement.name, (requirement.marker is None, own))
    return found


def requirements(uris: Iterable[str] | None = None) -> tuple[str, ...]:
    """One line for each package that a Python needs, in order.

    Args:
        uris: what is read and written; None for every storage that this process has the libraries of.
    """
    schemes = _STORAGES if uris is None else {uri.partition("://")[0] for uri in uris}
    storage = {name for scheme in schemes for name in _STORAGES.get(scheme, ()) if _version(name) is not None}
    return tuple(sorted(line for name, (always, line) in _declared().items() if always or name in storage))


def names(lines: Sequence[str]) -> list[str]:
    """Of the packages."""
    return [Requirement(line).name for line in lines]


def versions_of_task() -> list[str]:
    """All of these packages in the versions that this process has, which suit its code: ``pandas==2.3.3``."""
    return [f"{name}=={version(name)}" for name in [*names(requirements()), "distributed"]]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check(python: str, lines: Sequence[str], version: tuple[int, ...], installed: Mapping[str, str | None]) -> None:
    """Check what a Python says it has.

    Args:
        python: its path.
        lines: what it needs.
        version: of Python.
        installed: name -> version of each of these packages, None if it is missing.

    Raises:
        EngineError: something is missing or too old; the message says what to type.
    """
    if version[:2] < LEAST_PYTHON:
        raise EngineError(
            f"{python} is Python {'.'.join(map(str, version[:3]))}; a model's Python must be 3.11 or newer. Make the "
            "environment again with a newer one"
        )
    lacking, said = [], []
    for line in lines:
        requirement = Requirement(line)
        have = installed.get(requirement.name)
        if have is None:
            lacking.append(line)
            said.append(requirement.name)
        elif not requirement.specifier.contains(have, prereleases=True):
            lacking.append(line)
            said.append(f"{requirement.name} {requirement.specifier} (it has {have})")
    if lacking:
        install = f"Install it, then clear the task: {shlex.quote(python)} -m pip install {shlex.join(lacking)}"
        raise EngineError(
            f"{python} lacks {', '.join(said)}: scoring there needs what workers need. Nothing was read or written. "
            f"{made.again(python) or install}"
        )
