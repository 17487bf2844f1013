"""What can go wrong, grouped by what the person on call should do about it.

Every class takes the message as its only argument, so that it can be sent from a worker process (pickle calls the class
with ``args``).
"""

from __future__ import annotations

from collections.abc import Iterable

#: A message names so many of what it is about, and counts the rest.
_MOST_NAMED = 10


class BatchScoreError(Exception):
    """Base of the errors this package raises on purpose. A retry cannot fix them, except `InputChangedError`."""


class InputError(BatchScoreError):
    """The request or the data is wrong: a missing partition, column or file, an unreadable file."""


class InputChangedError(InputError):
    """An input changed during use, and nothing of it was kept: a retry uses its new state."""


class ModelError(BatchScoreError):
    """The model artifact is missing, incomplete, altered, or does not fit the data."""


class ModelMissingError(ModelError):
    """There is no such model, version or alias."""


class RecipeError(BatchScoreError):
    """A features or target function cannot be imported, fails, or breaks its contract."""


class OutputError(BatchScoreError):
    """The output location cannot be written, or an output option is wrong."""


class ScoringError(BatchScoreError):
    """Scoring stopped: too many rows failed, predictions are unusable, or the account does not balance."""


class EngineError(BatchScoreError):
    """A cluster's workers cannot do this work: their versions differ, or a package is missing."""


class GateError(BatchScoreError):
    """A gate (model check or score audit) failed the run. Nothing was published."""


def listed(items: Iterable[object], separator: str = ", ") -> str:
    """The first items, and how many more there are."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return separator.join(texts[:_MOST_NAMED]) + more


def first_lines(error: BaseException) -> str:
    """An exception's message, without the stack of C++ functions that XGBoost appends."""
    return str(error).partition("\nStack trace:")[0].rstrip()


def said(error: BaseException) -> str:
    """An exception's class and message."""
    return f"{type(error).__name__}: {first_lines(error)}"
