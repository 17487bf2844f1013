"""`BatchScoreNotifier`: callbacks that say in words what is wrong with a run, through any notifier of Airflow."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

from airflow_batchscore.notifications.message import message_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class BatchScoreNotifier(BaseNotifier):
    """Tell people which partitions drifted, have rows in quarantine or could not be scored, or which metric decayed.

    Use it as ``on_failure_callback``, ``on_retry_callback`` and ``on_success_callback`` of tasks, best of the gates,
    or as ``on_failure_callback`` of a DAG. A success is told only if something needs a look: rows in quarantine that
    the gate allows, or a decayed model (`EvaluateOperator`).

    Args:
        through: notifier that sends the message, such as ``SmtpNotifier``, ``SlackWebhookNotifier`` or
            ``HttpNotifier``. Its templated arguments can use ``{{ batchscore.title }}``, ``{{ batchscore.text }}``,
            ``{{ batchscore.html }}`` (escaped) and ``{{ batchscore.url }}``, the page of the run.

    A task's callback runs in the task's process, and so not at all if that is killed; a DAG's callback runs in the DAG
    processor, and knows only that the run failed. What cannot be sent is in that process's log and fails nothing.
    """

    def __init__(self, through: BaseNotifier) -> None:
        super().__init__()
        self.through = through

    def notify(self, context: Context) -> None:
        """Send the message if there is one."""
        message = message_of(context)
        if message is not None:
            # A notifier renders its arguments in place, and would send them again for the next run.
            copy.copy(self.through)({**context, "batchscore": message})
