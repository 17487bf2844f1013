"""What a notification says: what went wrong in a run, where, and the address of its page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.sdk import TaskInstanceState
from airflow.sdk.exceptions import AirflowFailException

from airflow_batchscore.links import run_tab_url

#: Findings of a message, and characters of each: it is read on a phone.
_MAX_FINDINGS = 10
_MAX_LENGTH = 1000


@dataclass(frozen=True)
class Message:
    """A notification.

    Attributes:
        title: in a line, for a subject.
        where: run and task.
        findings: in sentences, what is wrong, in which partitions, and what to do.
        url: of the run's page; empty if ``[api] base_url`` is not set.
    """

    title: str
    where: str
    findings: Sequence[str]
    url: str

    @property
    def text(self) -> str:
        """All of it as plain text."""
        lines = [self.title, self.where, *(f"- {finding}" for finding in self.findings), self.url]
        return "\n".join(line for line in lines if line)

    @property
    def html(self) -> str:
        """All of it as HTML. What comes from data is escaped."""
        findings = "".join(f"<li>{_escaped(finding)}</li>" for finding in self.findings)
        link = f'<p><a href="{html.escape(self.url)}">The run</a></p>' if self.url else ""
        return f"<p><b>{_escaped(self.title)}</b><br>{_escaped(self.where)}</p><ul>{findings}</ul>{link}"


def message_of(context: Mapping[str, Any]) -> Message | None:
    """What there is to say of a task or a run whose callback was called; None if nothing needs a look."""
    if "reason" in context:
        return _of_run(context)
    task, error = context["ti"], context.get("exception")
    outcome = getattr(context["task"], "outcome", None)
    notices = list(outcome.notices) if outcome else []
    if getattr(task, "state", None) == TaskInstanceState.SUCCESS:
        if not notices:
            return None
        title = f"{task.dag_id}: {task.task_id} passed, but needs a look"
        return _message(title, context, notices)
    retried = getattr(task, "state", None) == TaskInstanceState.UP_FOR_RETRY
    problems = [check.problem for check in outcome.checks if check.problem] if outcome else []
    title = f"{task.dag_id}: {task.task_id} failed{' and will be tried again' if retried else ''}"
    return _message(title, context, problems or [_failure(error)])


def _of_run(context: Mapping[str, Any]) -> Message | None:
    """For a callback of the DAG, which Airflow's DAG processor calls, without what the tasks knew."""
    reason = str(context["reason"])
    if reason == "success":
        return None
    dag_id = context["dag"].dag_id
    finding = f"Airflow says: {reason.replace('_', ' ')}. The run's page says which partitions, and why"
    return _message(f"{dag_id}: a run failed", context, [finding])


def _message(title: str, context: Mapping[str, Any], findings: Sequence[str]) -> Message:
    dag_id, run_id, task = context["dag"].dag_id, context["run_id"], context.get("ti")
    label = getattr(task, "rendered_map_index", None) if "reason" not in context else None
    shown = [_shortened(finding) for finding in findings[:_MAX_FINDINGS]]
    if len(findings) > _MAX_FINDINGS:
        shown.append(f"and {len(findings) - _MAX_FINDINGS} more")
    return Message(title, f"run {run_id}{f', {label}' if label else ''}", shown, run_tab_url(dag_id, run_id))


def _failure(error: BaseException | str | None) -> str:
    if error is None:
        return "Airflow lost it, so that it could not say why: see the end of its log, and its worker"
    if isinstance(error, (AirflowFailException, str)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]} ..."


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
