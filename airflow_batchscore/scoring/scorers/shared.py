"""Features that two models of one recipe use: made once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.model.user_code import Made

if TYPE_CHECKING:
    import pyarrow as pa


class SharedFeatures:
    """The features of one batch, from the model that makes them to the other."""

    def __init__(self) -> None:
        self._of: tuple[pa.Table, Made] | None = None

    def keep(self, table: pa.Table, made: Made) -> None:
        """Keep what was made of `table` for the other model: a copy, because a model may modify its input."""
        self._of = table, replace(made, frame=made.frame.copy())

    def taken(self, table: pa.Table) -> Made | None:
        """What was made of this very table, once; None if nothing was."""
        if self._of is None or self._of[0] is not table:
            return None
        made, self._of = self._of[1], None
        return made
