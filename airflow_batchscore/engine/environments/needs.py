"""What a Python must have to run this package's code: its dependencies, as far as a worker needs them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from importlib.metadata import requires, version

from airflow_batchscore.errors import EngineError

_DISTRIBUTION = "airflow-batchscore"
LEAST_PYTHON = (3, 11)
#: Older versions than this package itself requires, with which its code for workers is tested.
_FLOORS = {"scikit-learn": "scikit-learn>=1.3"}


@cache
def requirements() -> tuple[str, ...]:
    """One line for each package that a Python needs, in order."""
    from packaging.requirements import Requirement

    lines = []
    for line in requires(_DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.marker is None:
            lines.append(_FLOORS.get(requirement.name, line.replace(" ", "")))
    return tuple(sorted(lines))


def versions_of_task() -> list[str]:
    """The same packages in the versions that this process has, which suit its code: ``pandas==2.3.3``."""
    return [f"{name}=={version(name)}" for name in [*names(), "distributed"]]


def names() -> list[str]:
    """Of these packages."""
    from packaging.requirements import Requirement

    return [Requirement(line).name for line in requirements()]


def check(python: str, version: tuple[int, ...], installed: Mapping[str, str | None]) -> None:
    """Check what a Python says it has.

    Args:
        python: its path.
        version: of Python.
        installed: name -> version of each of `names`, None if it is missing.

    Raises:
        EngineError: something is missing or too old; the message says what to type.
    """
    if version[:2] < LEAST_PYTHON:
        raise EngineError(
            f"{python} is Python {'.'.join(map(str, version[:3]))}; a model's Python must be 3.11 or newer. Make the "
            "environment again with a newer one"
        )
    from packaging.requirements import Requirement

    lacking, said = [], []
    for line in requirements():
        requirement = Requirement(line)
        have = installed.get(requirement.name)
        if have is None:
            lacking.append(line)
            said.append(requirement.name)
        elif not requirement.specifier.contains(have, prereleases=True):
            lacking.append(line)
            said.append(f"{requirement.name} {requirement.specifier} (it has {have})")
    if lacking:
        raise EngineError(
            f"{python} lacks {', '.join(said)}: scoring there needs what workers need. Nothing was read or written. "
            f"Install it, then clear the task: {shlex.quote(python)} -m pip install {shlex.join(lacking)}"
        )
