"""`make release-check` refuses a release whose tag, version, changelog or files disagree, and says which."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from check_release import build, disagreements, left_out
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.unit


def git(folder: Path, *arguments: str) -> None:
    settings = ["user.name=a", "user.email=a@example.org", "commit.gpgsign=false", "tag.gpgsign=false"]
    options = [word for setting in settings for word in ("-c", setting)]
    run_command(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose only commit is the release 1.2.0."""
    folder = tmp_path / "repository"
    package = folder / "airflow_batchscore"
    (package / "publish").mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (package / "py.typed").touch()
    (package / "publish" / "report.html.j2").write_text("report")
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0 (2027-01-31)\n\n## 1.1.0 (2026-12-01)\n")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "-q")
    commit(folder)
    git(folder, "tag", "-a", "v1.2.0", "-m", "1.2.0")
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a commit")


def test_a_release_whose_parts_agree_passes(repository: Path, tmp_path: Path) -> None:
    assert disagreements(repository) == []
    assert left_out(repository, *build(repository, tmp_path / "dist")) == []


def test_a_commit_without_a_tag_is_no_release(repository: Path) -> None:
    (repository / "README.md").write_text("later")
    commit(repository)
    assert disagreements(repository) == ["no tag points at this commit: git tag -a v1.2.0 -m 1.2.0"]


def test_a_tag_of_another_version_is_named(repository: Path) -> None:
    git(repository, "tag", "v1.3.0")
    (problem,) = disagreements(repository)
    assert problem.startswith("the tag is v1.3.0, the package's version is 1.2.0")


@pytest.mark.parametrize("heading", ["1.2.0 (unreleased)", "1.1.0 (2027-01-31)", "1.2.01 (2027-01-31)"])
def test_a_changelog_that_begins_with_something_else_is_named(repository: Path, heading: str) -> None:
    (repository / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n")
    commit(repository)
    git(repository, "tag", "-f", "v1.2.0")
    (problem,) = disagreements(repository)
    assert problem.startswith(f'CHANGELOG.md begins with "{heading}"')


def test_files_that_are_not_committed_are_named(repository: Path) -> None:
    (repository / "airflow_batchscore" / "late.py").write_text("x = 1\n")
    assert disagreements(repository) == ["1 files are not committed: airflow_batchscore/late.py"]


def test_a_build_that_leaves_out_a_file_is_refused(repository: Path, tmp_path: Path) -> None:
    settings = (repository / "pyproject.toml").read_text()
    rest = '[tool.hatch.build]\nexclude = ["*.j2"]\n'
    (repository / "pyproject.toml").write_text(settings + rest)
    commit(repository)
    assert left_out(repository, *build(repository, tmp_path / "dist")) == [
        "airflow_batchscore-1.2.0-py3-none-any.whl lacks airflow_batchscore/publish/report.html.j2",
        "airflow_batchscore-1.2.0.tar.gz lacks airflow_batchscore/publish/report.html.j2",
    ]


def test_a_wheel_without_the_bundle_of_its_pages_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "ui").mkdir()
    (problem,) = left_out(repository, *build(repository, tmp_path / "first"))
    assert "lacks the bundle of ui/" in problem
    bundle = repository / "airflow_batchscore" / "plugin" / "ui" / "main.js"
    bundle.parent.mkdir(parents=True)
    bundle.write_text("//")
    assert left_out(repository, *build(repository, tmp_path / "second")) == []
