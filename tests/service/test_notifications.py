"""Notifications of a real Airflow, received by a mail server and a webhook."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from receivers import Received, http_receiver, smtp_receiver
from runs import explain
from stack import Stack
from support import copy_dags, good_rows, quick_airflow, running, small

from airflow_batchscore.model.reference import set_alias

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def mails() -> Iterator[Received]:
    with smtp_receiver() as received:
        yield received


@pytest.fixture(scope="module")
def hook() -> Iterator[Received]:
    with http_receiver() as received:
        yield received


@pytest.fixture(scope="module")
def airflow(mails: Received, hook: Received, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder, data = tmp_path_factory.mktemp("airflow"), small(tmp_path_factory.mktemp("data"))
    set_alias(data.model.location.parent.uri, "champion", data.model, 1)
    data.add(1, good_rows(50, 1000))
    data.add(2, [*good_rows(50, 2000), (2050, "oops", 0.5, 1), (2051, "oops", 0.5, 1)])
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": mails.port}
    extra = {
        "NOTIFY_HOME": str(data.folder),
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps({**smtp, "extra": {"disable_ssl": True, "disable_tls": True}}),
        "AIRFLOW_CONN_HTTP_DEFAULT": f"http://127.0.0.1:{hook.port}",
    }
    with running(quick_airflow(folder / "home", copy_dags(folder / "dags", "notifying_pipeline.py"), extra)) as stack:
        yield stack


def _ended(airflow: Stack, dag_id: str, conf: dict[str, Any], expected: str) -> str:
    airflow.wait_for_dag(dag_id)
    run_id = airflow.trigger(dag_id, conf)
    assert airflow.wait_for_run(dag_id, run_id, 300) == expected, explain(airflow, dag_id, run_id)
    return run_id


def _mail(mails: Received, subject: str) -> str:
    """The body of the mail with that subject."""

    def found(items: list[str]) -> str | None:
        parsed = [email.message_from_string(item, policy=email.policy.default) for item in items]
        bodies = [mail.get_body() for mail in parsed if mail["Subject"] == subject]
        return bodies[0].get_content() if bodies and bodies[0] else None

    text: str = mails.wait(found)
    return text


def _text(hook: Received, title: str) -> list[str]:
    """The lines that the webhook got in the message with that title."""
    lines: list[str] = hook.wait(
        lambda _: next((text for body in hook.bodies() if (text := body["text"].splitlines())[0] == title), None)
    )
    return lines


def test_a_gate_that_stops_a_run_is_told_by_mail_and_webhook_and_the_dag_tells_it_too(
    airflow: Stack, mails: Received, hook: Received
) -> None:
    run_id = _ended(airflow, "notifying_pipeline", {}, "failed")
    title = "notifying_pipeline: audit failed"
    assert "2 rows in quarantine, 0 allowed: p=2 2" in _mail(mails, title)
    lines = _text(hook, title)
    assert lines[1] == f"run {run_id}"
    assert lines[-1].startswith(f"{airflow.url}/dags/notifying_pipeline/runs/manual__")
    assert "task failure" in _text(hook, "notifying_pipeline: a run failed")[2]


def test_rows_in_quarantine_are_told_even_if_they_are_allowed(airflow: Stack, mails: Received) -> None:
    _ended(airflow, "notifying_pipeline", {"max_quarantined": 5}, "success")
    assert "2 rows in quarantine: p=2 (2)" in _mail(mails, "notifying_pipeline: audit passed, but needs a look")


def test_a_killed_task_calls_nobody_but_its_dag_does(airflow: Stack, hook: Received) -> None:
    run_id = _ended(airflow, "notifying_loss", {}, "failed")
    assert _text(hook, "notifying_loss: a run failed")[1] == f"run {run_id}"
    assert not [body for body in hook.bodies() if "notifying_loss: lost" in body["text"]]
