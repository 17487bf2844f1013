"""``make release-check``: tag, version and changelog agree, and the wheel and the sdist hold what they should.

usage: check_release.py [--out FOLDER]      builds into FOLDER (default: dist)
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_batchscore"
#: Files that are no modules, which a build could leave out without any import failing.
NEEDED = [f"{PACKAGE}/py.typed", f"{PACKAGE}/publish/report.html.j2"]


def disagreements(root: Path) -> list[str]:
    """What keeps the commit that is checked out from being a release."""
    version = _version(root)
    tags = _git(root, "tag", "--points-at", "HEAD", "--list", "v*").split()
    problems = []
    if not tags:
        problems.append(f"no tag points at this commit: git tag -a v{version} -m {version}")
    problems += [
        f"the tag is {tag}, the package's version is {version}: change {PACKAGE}/__init__.py, or move the tag"
        for tag in tags
        if tag != f"v{version}"
    ]
    heading = re.search(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    newest = heading[1] if heading else "nothing"
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", newest):
        problems.append(f'CHANGELOG.md begins with "{newest}": write "{version} (YYYY-MM-DD)", the day of the release')
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        problems.append(f"{len(changed)} files are not committed: {', '.join(line[3:] for line in changed[:5])}")
    return problems


def build(root: Path, out: Path) -> tuple[Path, Path]:
    """Build the wheel and the sdist in `out`, and return their paths."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out), "-t", "wheel", "-t", "sdist"]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    version = _version(root)
    return out / f"{PACKAGE}-{version}-py3-none-any.whl", out / f"{PACKAGE}-{version}.tar.gz"


def left_out(root: Path, wheel: Path, sdist: Path) -> list[str]:
    """What the wheel or the sdist should hold and does not."""
    tracked = _git(root, "ls-files", PACKAGE).splitlines()
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    problems = [f"{wheel.name} lacks {path}" for path in sorted({*tracked, *NEEDED} - in_wheel)]
    if (root / "ui").is_dir() and not any(re.match(rf"{PACKAGE}/plugin/ui/.*\.js$", name) for name in in_wheel):
        problems.append(f"{wheel.name} lacks the bundle of ui/, {PACKAGE}/plugin/ui/*.js: build it first")
    documents = {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"}
    return problems + [f"{sdist.name} lacks {path}" for path in sorted({*tracked, *NEEDED, *documents} - in_sdist)]


def _version(root: Path) -> str:
    source = (root / PACKAGE / "__init__.py").read_text()
    match = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    assert match, f"{PACKAGE}/__init__.py names no version"
    return match[1]


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S607


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where to build (default: dist)")
    out: Path = parser.parse_args().out.resolve()
    built = build(ROOT, out)
    problems = disagreements(ROOT) + left_out(ROOT, *built)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"ready: {' and '.join(str(path) for path in built)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
