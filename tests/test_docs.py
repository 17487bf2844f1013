"""What the documents say is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from commands import run_command
from support import AIRFLOW_HOME, ROOT

pytestmark = pytest.mark.dag

#: Pages on how to add something -> the file whose code they show; its test has the file's name.
EXAMPLES = {
    "flavor.md": "json_linear.py",
    "engine.md": "process_engine.py",
    "output.md": "sqlite_target.py",
    "storage.md": "memory_store.py",
    "format.md": "feather_format.py",
}
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_the_readme_is_short_and_shows_how_to_get_it() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) < 600
    assert len(re.findall(r"!\[", text)) == 1
    assert all(re.search(line, text, re.MULTILINE) for line in ("^git clone ", "^make demo", "^pip install "))


def test_the_readmes_pipeline_is_a_dag(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    script = f"{code}\nimport sys\nfrom airflow.sdk.definitions.dag import DAG as D\nprint(sorted(train.dag.task_ids))"
    environment = {"AIRFLOW_HOME": str(AIRFLOW_HOME), "PATH": "/usr/bin:/bin"}
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['audit', 'gate', 'plan', 'publish', 'score', 'train']"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in [*DOCUMENTS, ROOT / ".ci" / "run"]:
        named = set(re.findall(r"(?:`|^|: )make ([a-z0-9-]+)", document.read_text(), re.MULTILINE))
        assert named <= targets, document


def test_tests_that_documents_name_exist() -> None:
    for document in DOCUMENTS:
        for name in re.findall(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)`", document.read_text()):
            assert (ROOT / "tests" / name).exists(), f"{document.name}: {name}"


@pytest.mark.parametrize(("page", "example"), EXAMPLES.items())
def test_pages_on_adding_something_show_code_that_is_tested(page: str, example: str) -> None:
    text = (ROOT / "docs" / "adding" / page).read_text()
    assert len(text.splitlines()) <= 60
    assert re.findall(r"```python\n(.*?)```", text, re.DOTALL) == [(ROOT / "tests" / "adding" / example).read_text()]
    assert (ROOT / "tests" / "adding" / f"test_{example}").exists()
