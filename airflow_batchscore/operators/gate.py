"""What the gates share: they show all that they looked at, passed or not, in the log and to pages."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_batchscore.operators.base import BatchScoreOperator
from airflow_batchscore.publish.progress import FAILURE_KEY, GATE_KEY, GateResult
from airflow_batchscore.quality.check import Check, table


class GateOperator(BatchScoreOperator):
    """An operator that looks at something, and passes or fails."""

    kept_of_a_try = (FAILURE_KEY, GATE_KEY)

    def show(self, checks: Sequence[Check]) -> None:
        """Print the checks as a table, and keep them for pages; before anything fails because of them."""
        self.store.set(GATE_KEY, GateResult(checks).to_dict())
        self.log.info("the verdict:\n%s", table(checks))
