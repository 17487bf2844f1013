"""The report route serves reports, whatever the XCom says that a person with the role `user` may edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attacks import copy_of, edited
from people import Run
from places import Place

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]


@pytest.fixture
def forged(place: Place, scored: Run) -> dict[str, str]:
    """What to write into the XCom, by what it tries."""
    home, airflow = place.home, Path(place.stack.env["AIRFLOW_HOME"])
    report = Path(place.people["user"].xcom(scored, "publish")["report"])
    alike = copy_of(report, home / "uploads" / "a.report.html")
    alike.write_text(alike.read_text().replace("</body>", "forged-by-hand</body>"))
    beside = copy_of(alike, report.parent / "other.report.html")
    return {
        "of the system": "/etc/passwd",
        "by URI": "file:///etc/passwd",
        "by a detour": f"{report.parent}/../../../../../../../../../../../../etc/passwd",
        "the configuration": str(airflow / "airflow.cfg"),
        "passwords": str(airflow / "passwords.json"),
        "the DAG": str(Path(place.stack.env["AIRFLOW__CORE__DAGS_FOLDER"]) / "wta_batch_scoring.py"),
        "its own summary": str(report).replace("report.html", "summary.json"),
        "data": str(home / "part_1.csv"),
        "a device": "/dev/zero",
        "looks right, lies among uploads": str(alike),
        "looks right, lies beside the report": str(beside),
        "a bucket": "s3://bucket/report.html",
        "nothing": "",
    }


def test_the_report_of_an_honest_run_is_served(place: Place, scored: Run) -> None:
    answer = place.people["viewer"].ask("GET", scored.report())
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert b"predictions.parquet" in answer.body


def test_an_edited_xcom_makes_it_serve_nothing_else(place: Place, scored: Run, forged: dict[str, str]) -> None:
    user = place.people["user"]
    returned = user.xcom(scored, "publish")
    served: dict[str, Any] = {}
    for what, uri in forged.items():
        with edited(user, scored, "publish", {**returned, "report": uri}):
            answer = user.ask("GET", scored.report())
        assert answer.status in (400, 403, 404, 409), (what, answer.status, answer.body[:200])
        if b"root:" in answer.body or b"forged-by-hand" in answer.body or len(answer.body) > 2000:
            served[what] = answer.body[:200]
    assert served == {}
    for value in ("/etc/passwd", ["/etc/passwd"], {"report": "/etc/passwd"}, None):
        with edited(user, scored, "publish", value):
            assert user.ask("GET", scored.report()).status in (400, 403, 404, 409)
    assert user.ask("GET", scored.report()).status == 200


def test_a_report_that_somebody_wrote_over_is_not_served(place: Place, scored: Run) -> None:
    user = place.people["user"]
    report = Path(user.xcom(scored, "publish")["report"])
    before = report.read_bytes()
    try:
        report.write_bytes(before.replace(b"</body>", b"forged-by-hand</body>"))
        answer = user.ask("GET", scored.report())
        assert (answer.status, b"not the one that the task wrote" in answer.body) == (403, True)
        with report.open("wb") as file:
            file.truncate(1 << 40)
        answer = user.ask("GET", scored.report())
        assert (answer.status, b"larger than a report may be" in answer.body) == (502, True)
    finally:
        report.write_bytes(before)
    assert user.ask("GET", scored.report()).status == 200


def test_what_was_written_for_one_run_is_not_served_for_another(place: Place, scored: Run) -> None:
    """So that who may see a DAG does not get the report of one that they may not see."""
    user = place.people["user"]
    run_id = user.trigger(scored.dag_id, {"years": [2014]}).value["dag_run_id"]
    waiting = Run(scored.dag_id, run_id)
    returned = user.xcom(scored, "publish")
    user.must(
        "POST",
        f"{waiting.path}/taskInstances/publish/xcomEntries",
        {"key": "return_value", "value": returned},
    )
    assert user.ask("GET", waiting.report()).status in (400, 403, 404, 409)
    user.must("PATCH", waiting.path, {"state": "failed"})


def test_a_forged_connection_does_not_reach_another_store(place: Place, scored: Run) -> None:
    user = place.people["user"]
    returned = user.xcom(scored, "publish")
    with edited(user, scored, "publish", {**returned, "report": "s3://bucket/a", "report_conn_id": "signing"}):
        answer = user.ask("GET", scored.report())
    assert answer.status in (400, 403, 404, 409)
    assert b"signing" not in answer.body
