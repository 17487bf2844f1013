"""Which Python runs a model: one that exists, or one made for a list of packages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_batchscore.engine.environments import cache
from airflow_batchscore.errors import InputError


@dataclass(frozen=True)
class Environment:
    """A Python with a model's libraries.

    Attributes:
        python: path of an interpreter; None if one is made.
        requirements: name of a file with the packages to make one with, or its lines; None if there is one.
    """

    python: str | None = None
    requirements: str | tuple[str, ...] | None = None

    @classmethod
    def of(cls, what: str, python: object, environment: object) -> Environment | None:
        """From the arguments `python` and `environment` of `what`; None if both are None.

        Raises:
            InputError: both are given, or one is of another kind.
        """
        if python is None and environment is None:
            return None
        if python is not None and environment is not None:
            raise InputError(
                f"{what}: give python, an interpreter that exists, or environment, to have one made, not both"
            )
        if python is not None:
            if not isinstance(python, str) or not python:
                raise InputError(f"{what}(python={python!r}): give the path of an interpreter, '/envs/x/bin/python'")
            return cls(python)
        if isinstance(environment, str) and environment and "\n" not in environment:
            return cls(None, environment)
        if (
            isinstance(environment, Sequence)
            and not isinstance(environment, str)
            and environment
            and all(isinstance(line, str) for line in environment)
        ):
            return cls(None, tuple(environment))
        raise InputError(
            f"{what}(environment={environment!r}): give the name of a requirements file, or a list of its lines, "
            "['scikit-learn==1.3.2']"
        )

    @property
    def name(self) -> str:
        """For people."""
        if self.python is not None:
            return self.python
        return self.requirements if isinstance(self.requirements, str) else ", ".join(self.requirements or ())

    def interpreter(self, beside: Path, folder: Path) -> str:
        """Path of the interpreter, which is made first if it has to be.

        Args:
            beside: folder that relative names are in: that of the DAG's file.
            folder: where environments are kept.

        Raises:
            InputError: the file does not exist or names what cannot be installed.
            EngineError: there is no uv, or the folder belongs to somebody else.
            OSError: the packages could not be fetched, which a retry may fix.
        """
        if self.python is not None:
            return os.path.join(beside, self.python)
        return str(cache.interpreter(self._lines(beside), folder))

    def _lines(self, beside: Path) -> tuple[str, ...]:
        if not isinstance(self.requirements, str):
            return self.requirements or ()
        file = beside / self.requirements
        try:
            return tuple(file.read_text().splitlines())
        except OSError as error:
            raise InputError(
                f"environment={self.requirements!r}: {file} cannot be read ({error.strerror}). Put the file beside the "
                "DAG's, or give the lines as a list"
            ) from error
