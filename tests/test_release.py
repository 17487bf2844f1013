"""`make dist` refuses archives that differ from the commit, `make release-check` a release whose parts disagree."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from build_dist import build, changed, other_bytes, wrong_contents
from check_release import disagreements, other_images
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.unit

EPOCH = "1800000000"
WHEEL, SDIST = "airflow_batchscore-1.2.0-py3-none-any.whl", "airflow_batchscore-1.2.0.tar.gz"


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
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    (folder / "docker-compose.yaml").write_text("services:\n  image: airflow-batchscore:1.2.0\n")
    git(folder, "init", "-q")
    commit(folder)
    git(folder, "tag", "-a", "v1.2.0", "-m", "1.2.0")
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a commit")


def test_a_release_whose_parts_agree_passes(repository: Path, tmp_path: Path) -> None:
    assert disagreements(repository) == []
    built = build(repository, tmp_path / "dist", EPOCH)
    assert [path.name for path in built] == [WHEEL, SDIST]
    assert wrong_contents(repository, *built) == []
    assert other_bytes(*built, EPOCH) == []


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


def test_images_of_another_version_are_named(repository: Path) -> None:
    (repository / "docker-compose.yaml").write_text("  image: airflow-batchscore:1.1.0\n  image: redis:7.4\n")
    (problem,) = other_images(repository)
    assert problem.startswith("docker-compose.yaml names airflow-batchscore:1.1.0, the package's version is 1.2.0")


def test_the_images_have_the_version_of_the_package() -> None:
    assert other_images(ROOT) == []


def test_a_build_that_leaves_out_a_file_is_refused(repository: Path, tmp_path: Path) -> None:
    settings = (repository / "pyproject.toml").read_text()
    rest = '[tool.hatch.build]\nexclude = ["*.j2"]\n'
    (repository / "pyproject.toml").write_text(settings + rest)
    commit(repository)
    assert wrong_contents(repository, *build(repository, tmp_path / "dist", EPOCH)) == [
        f"{WHEEL} lacks airflow_batchscore/publish/report.html.j2",
        f"{SDIST} lacks airflow_batchscore/publish/report.html.j2",
    ]


def test_files_that_are_not_the_commits_are_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "airflow_batchscore" / "late.py").write_text("x = 1\n")
    assert wrong_contents(repository, *build(repository, tmp_path / "dist", EPOCH)) == [
        f"{WHEEL} holds airflow_batchscore/late.py, which is not committed",
        f"{SDIST} holds airflow_batchscore/late.py, which is not committed",
    ]


def test_documents_and_licences_of_other_folders_stay_out_of_the_sdist(repository: Path, tmp_path: Path) -> None:
    (repository / "tests").mkdir()
    (repository / "tests" / "README.md").write_text("about the tests")
    commit(repository)
    assert wrong_contents(repository, *build(repository, tmp_path / "dist", EPOCH)) == []


def test_a_wheel_without_the_bundle_of_its_pages_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "ui").mkdir()
    lacking = wrong_contents(repository, *build(repository, tmp_path / "first", EPOCH))
    assert [problem.partition(",")[0] for problem in lacking] == [
        f"{WHEEL} lacks the bundle of ui/",
        f"{WHEEL} lacks airflow_batchscore/plugin/ui/LICENSES.txt",
    ]
    bundle = repository / "airflow_batchscore" / "plugin" / "ui"
    bundle.mkdir(parents=True)
    (bundle / "main.js").write_text("//")
    (bundle / "LICENSES.txt").write_text("MIT")
    commit(repository)
    assert wrong_contents(repository, *build(repository, tmp_path / "second", EPOCH)) == []


def test_a_build_with_other_bytes_is_named(repository: Path, tmp_path: Path) -> None:
    built = build(repository, tmp_path / "dist", EPOCH)
    assert [problem.partition(" ")[0] for problem in other_bytes(*built, "1900000000")] == [WHEEL, SDIST]


def test_changes_that_are_not_committed_are_named_before_they_are_built(repository: Path) -> None:
    assert changed(repository) == []
    (repository / "airflow_batchscore" / "py.typed").write_text("partial\n")
    (repository / "docker-compose.yaml").write_text("not in the archives")
    assert changed(repository) == ["airflow_batchscore/py.typed"]


@pytest.mark.parametrize("path", [os.environ["PATH"], ""], ids=["no clone", "no git"])
def test_make_dist_without_git_is_a_sentence(tmp_path: Path, path: str) -> None:
    script = tmp_path / "scripts" / "build_dist.py"
    script.parent.mkdir()
    shutil.copy(ROOT / "scripts" / "build_dist.py", script)
    done = run_command([sys.executable, script], env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path} is no git clone with a commit, or git is not installed: make dist needs both\n"
