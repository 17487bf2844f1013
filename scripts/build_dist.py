"""``make dist``: build the wheel and the sdist into dist/, check what they hold, and build them again: the same bytes?

The second build is made from the unpacked sdist: it shows that the sdist is complete, and that neither the path nor the
times of this checkout count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_batchscore"
#: Files that are no modules, which a build could leave out without any import failing.
NEEDED = {f"{PACKAGE}/py.typed", f"{PACKAGE}/publish/report.html.j2"}
#: What the sdist holds beside the package; PKG-INFO and .gitignore are hatchling's.
DOCUMENTS = {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def version(root: Path) -> str:
    """The package's version, from the one place that names it."""
    source = (root / PACKAGE / "__init__.py").read_text()
    match = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    assert match, f"{PACKAGE}/__init__.py names no version"
    return match[1]


def git(root: Path, *arguments: str) -> str:
    """What git says. Raises CalledProcessError where it knows no repository, FileNotFoundError without git."""
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S607


def build(root: Path, out: Path, epoch: str) -> tuple[Path, Path]:
    """Build the wheel and the sdist in `out`, and return their paths. Their files carry the time `epoch`."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out), "-t", "wheel", "-t", "sdist"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    subprocess.run(command, cwd=root, check=True, capture_output=True, env=environment)
    name = f"{PACKAGE}-{version(root)}"
    return out / f"{name}-py3-none-any.whl", out / f"{name}.tar.gz"


def wrong_contents(root: Path, wheel: Path, sdist: Path) -> list[str]:
    """What the wheel and the sdist lack of the commit's files, and what they hold beside them."""
    package = {*git(root, "ls-files", PACKAGE).splitlines(), *NEEDED}
    info = f"{PACKAGE}-{version(root)}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive_of_sources:
        in_sdist = {name.partition("/")[2] for name in archive_of_sources.getnames()}
    problems = _differences(wheel.name, in_wheel, package | {f"{info}/{name}" for name in METADATA})
    problems += _differences(sdist.name, in_sdist, package | DOCUMENTS)
    if (root / "ui").is_dir():
        bundle = f"{PACKAGE}/plugin/ui/"
        if not any(name.startswith(bundle) and name.endswith(".js") for name in in_wheel):
            problems.append(f"{wheel.name} lacks the bundle of ui/, {bundle}*.js: run make ui and commit it")
        if f"{bundle}LICENSES.txt" not in in_wheel:
            problems.append(
                f"{wheel.name} lacks {bundle}LICENSES.txt, the licences of the libraries in the bundle: run make ui"
            )
    return problems


def _differences(archive: str, found: set[str], wanted: set[str]) -> list[str]:
    lacking = [f"{archive} lacks {path}" for path in sorted(wanted - found)]
    return lacking + [f"{archive} holds {path}, which is not committed" for path in sorted(found - wanted)]


def other_bytes(wheel: Path, sdist: Path, epoch: str) -> list[str]:
    """Which of the two has other bytes when it is built from the sdist, at another place and time."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
        (source,) = Path(folder).iterdir()
        for path in source.rglob("*"):
            os.utime(path)
        again = build(source, Path(folder) / "again", epoch)
        return [
            f"{first.name} has other bytes when it is built again, from the sdist: compare the two with diffoscope"
            for first, second in zip((wheel, sdist), again, strict=True)
            if first.read_bytes() != second.read_bytes()
        ]


def changed(root: Path) -> list[str]:
    """Files that go into the archives and differ from the commit."""
    return git(root, "diff", "--name-only", "HEAD", "--", PACKAGE, *sorted(DOCUMENTS)).splitlines()


def main() -> int:
    try:
        epoch = git(ROOT, "log", "-1", "--format=%ct").strip()
    except (OSError, subprocess.CalledProcessError):
        return told([f"{ROOT} is no git clone with a commit, or git is not installed: make dist needs both"], "")
    if files := changed(ROOT):
        print(f"warning: what is built differs from the commit in {', '.join(files)}", file=sys.stderr)
    out = ROOT / "dist"
    shutil.rmtree(out, ignore_errors=True)
    built = build(ROOT, out, epoch)
    problems = wrong_contents(ROOT, *built) + other_bytes(*built, epoch)
    return told(
        problems, f"built twice with the same bytes: {' and '.join(str(path.relative_to(ROOT)) for path in built)}"
    )


def told(problems: list[str], good: str) -> int:
    """Print the problems, or what is good if there are none; returns the exit status."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(good)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
