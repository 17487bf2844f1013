"""What can go wrong, by what an on-call person should do about it.

Every class takes the message as its only argument, so that it survives the trip from a worker
process (pickle calls the class with ``args``).
"""

from __future__ import annotations


class BatchScoreError(Exception):
    """Base of the errors this package raises on purpose. A retry cannot fix them, but for `InputChangedError`."""


class InputError(BatchScoreError):
    """The request or the data is wrong: a missing partition, column or file, an unreadable file."""


class InputChangedError(InputError):
    """An input changed while it was used, and nothing of it was kept: a retry takes what is there then."""


class ModelError(BatchScoreError):
    """The model artifact is missing, incomplete, altered, or does not fit the data."""


class ModelMissingError(ModelError):
    """There is no such model, version or alias."""


class RecipeError(BatchScoreError):
    """A features or target function cannot be imported, fails, or breaks its contract."""


class OutputError(BatchScoreError):
    """The output place cannot be written, or an option of the output is wrong."""


class ScoringError(BatchScoreError):
    """Scoring stopped: too many rows failed, predictions are not usable, or the account is off."""


class EngineError(BatchScoreError):
    """The workers of a cluster cannot do this work: other versions, a package that is missing there."""


class GateError(BatchScoreError):
    """A gate (model check or score audit) did not let the run pass. Nothing was published."""


def first_lines(error: BaseException) -> str:
    """What an exception says, without the stack of C++ functions that XGBoost adds."""
    return str(error).partition("\nStack trace:")[0].rstrip()


def said(error: BaseException) -> str:
    """The class of an exception, and what it says."""
    return f"{type(error).__name__}: {first_lines(error)}"
