"""The documents and scripts of the pages."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from pages import People

from airflow_batchscore import __version__
from airflow_batchscore.plugin import BatchscorePlugin

pytestmark = pytest.mark.dag

RUN = "manual__2026-01-01T00:00:00+00:00"


class _Document(HTMLParser):
    """Attributes of its elements, by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[dict[str, str | None]]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.setdefault(tag, []).append(dict(attrs))


def test_the_document_of_a_run_says_what_to_show_and_holds_no_script(people: People) -> None:
    answer = people["viewer"].get(f"/run/small_pipeline/{RUN}")
    found = _Document(answer.text).found
    assert found["div"] == [
        {"id": "root", "data-page": "run", "data-dag-id": "small_pipeline", "data-run-id": RUN},
    ]
    assert [script["src"] for script in found["script"]] == [f"/batchscore/static/shell.js?v={__version__}"]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_the_document_of_a_task_names_its_instance(people: People) -> None:
    answer = people["viewer"].get(f"/task/small_pipeline/{RUN}/score?map_index=3")
    (root,) = _Document(answer.text).found["div"]
    assert (root["data-page"], root["data-task-id"], root["data-map-index"]) == ("task", "score", "3")


def test_a_name_cannot_become_markup(people: People) -> None:
    answer = people["viewer"].get("/run/small_pipeline/%22%3E%3Cimg%20src=x%3E")
    found = _Document(answer.text).found
    assert "img" not in found
    assert found["div"][0]["data-run-id"] == '"><img src=x>'


def test_behind_a_path_prefix_all_of_it_is_below(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://host/air/flow/")
    found = _Document(people["viewer"].get(f"/run/small_pipeline/{RUN}").text).found
    assert found["base"] == [{"href": "/air/flow/"}]
    assert all(str(script["src"]).startswith("/air/flow/batchscore/static/") for script in found["script"])


def test_who_may_not_see_the_dag_gets_no_document(people: People) -> None:
    client = people["eve of nothing"]
    assert client.get(f"/run/small_pipeline/{RUN}").status_code == 403
    assert client.get(f"/task/small_pipeline/{RUN}/score").status_code == 403


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    "page", ["run/small_pipeline/x", "task/small_pipeline/x/y?map_index=2", "report/small_pipeline/x/y"]
)
def test_a_browser_without_login_is_sent_to_it_and_comes_back(people: People, page: str) -> None:
    answer = people[""].get(f"/{page}", headers=BROWSER, follow_redirects=False)
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert where.path == "/api/v2/auth/login"
    assert parse_qs(where.query)["next"] == [f"/{page}"]
    assert people[""].get(f"/{page}").status_code == 401, "a program is told so"


def test_a_browser_is_told_in_words_why_a_page_is_refused(people: People) -> None:
    answer = people["eve of nothing"].get("/run/small_pipeline/x", headers=BROWSER)
    assert answer.status_code == 403
    assert "<h1>You may not see this</h1>" in answer.text
    assert "Ask an administrator" in answer.text
    answer = people["viewer"].get("/report/small_pipeline/%3Cimg%3E/y", headers=BROWSER)
    assert answer.status_code == 404
    assert "&lt;img&gt; has written no report" in answer.text


@pytest.mark.parametrize("name", ["web.py", "..%2Fweb.py", "main.js.map", "LICENSES.txt", "%2Fetc%2Fpasswd", "."])
def test_nothing_but_the_scripts_is_served(people: People, name: str) -> None:
    assert people["admin"].get(f"/static/{name}").status_code == 404


def test_each_page_in_airflows_ui_has_a_route_and_a_url_of_its_own() -> None:
    apps = BatchscorePlugin.react_apps
    assert [app["destination"] for app in apps] == ["nav", "dag_run", "task_instance"]
    assert len({app["url_route"] for app in apps}) == len({app["bundle_url"] for app in apps}) == 3
    assert apps[1]["bundle_url"].endswith(f"/batchscore/static/main.js?v={__version__}&at=dag_run")
