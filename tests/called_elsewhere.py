"""What tests have another Python do."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from airflow_batchscore import errors
from airflow_batchscore.data.storage import credentials


def add(tell: Any, one: int, two: int) -> int:
    return one + two


def about(tell: Any) -> dict[str, Any]:
    """Of the process."""
    import airflow_batchscore

    return {
        "pid": os.getpid(),
        "python": sys.executable,
        "prefix": sys.prefix,
        "airflow": "airflow" in sys.modules,
        "package": str(Path(airflow_batchscore.__file__).parent.resolve()),
        "path": os.environ.get("PYTHONPATH"),
        "connections": credentials.registered(),
    }


def fail(tell: Any, name: str, message: str) -> None:
    kind = getattr(errors, name, None) or getattr(__builtins__, name, None) or __builtins__[name]  # type: ignore[index]
    raise kind(message)


def fail_with_cause(tell: Any) -> None:
    try:
        raise KeyError("a column of the user's")
    except KeyError as error:
        raise errors.RecipeError("the recipe failed") from error


def say(tell: Any) -> None:
    logging.getLogger("airflow_batchscore.here").warning("said %s", "there")
    tell("counted", 1, 2)


def end(tell: Any, how: str) -> None:
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), getattr(signal, how))


def wait(tell: Any, mark: str) -> None:
    Path(mark).write_text(str(os.getpid()))
    time.sleep(600)


def needs_a_module(tell: Any) -> None:
    import a_module_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    """A function for rows, which stops where a test says so."""
    stop = os.environ.get("TEST_END_WITH")
    if stop and len(frame) > 1 and frame["a"].max() > 3.9:
        os.kill(os.getpid(), getattr(signal, stop))
    warnings.warn("of the user's function", stacklevel=1)
    return pd.DataFrame({"twice": frame["a"] * 2, "pid": os.getpid()}, index=frame.index)
