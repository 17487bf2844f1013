"""The site shows files that lie outside docs/, and a link leads to the same document there as in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_site import expand, relink, source_page, targets

pytestmark = pytest.mark.unit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("README.md", "SECURITY.md", "docs/operators.md", "docs/decisions/README.md", "dags/first.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        ("index.md", "docs/operators.md#engines", "operators.md#engines"),
        ("index.md", "docs/decisions", "decisions/README.md"),
        ("index.md", "dags/first.py", "source/dags/first.py.md"),
        ("operators.md", "../SECURITY.md", "security.md"),
        ("operators.md", "../README.md#install", "index.md#install"),
        ("how-to/backfill.md", "../../dags/first.py", "../source/dags/first.py.md"),
        ("how-to/backfill.md", "../operators.md", "../operators.md"),
        ("operators.md", "https://example.org/x", "https://example.org/x"),
        ("operators.md", "#engines", "#engines"),
    ],
)
def test_a_link_leads_to_the_page_of_its_file(root: Path, page: str, link: str, on_the_site: str) -> None:
    assert relink(f"see [it]({link}).", page, root) == f"see [it]({on_the_site})."


def test_the_files_that_a_text_links_to_are_named_from_the_root() -> None:
    text = "[a](../dags/first.py) and [b](roles.md#who), [c](https://example.org), [d](#e)"
    assert targets(text, "docs/operators.md") == {"dags/first.py", "docs/roles.md"}


def test_a_folder_in_the_navigation_stands_for_its_pages_and_may_be_absent(tmp_path: Path) -> None:
    (tmp_path / "decisions").mkdir()
    for name in ("0002-b.md", "0001-a.md", "README.md"):
        (tmp_path / "decisions" / name).touch()
    nav = [{"Home": "index.md"}, {"Adding": ["adding/"]}, {"Why": ["a.md", {"Decisions": ["decisions/"]}]}]
    assert expand(nav, tmp_path) == [
        {"Home": "index.md"},
        {"Why": ["a.md", {"Decisions": ["decisions/README.md", "decisions/0001-a.md", "decisions/0002-b.md"]}]},
    ]


def test_code_with_fences_of_its_own_stays_one_block() -> None:
    text = 'DOC = """\n```sh\nls\n```\n"""\n'
    assert source_page("dags/x.py", text) == f"# dags/x.py\n\n````python\n{text}````\n"
