"""``make release-check``, after ``make dist``: the tag, the versions and the changelog agree, and all is committed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from build_dist import PACKAGE, ROOT, git, told, version


def disagreements(root: Path) -> list[str]:
    """What keeps the commit that is checked out from being a release."""
    released = version(root)
    tags = git(root, "tag", "--points-at", "HEAD", "--list", "v*").split()
    problems = []
    if not tags:
        problems.append(f"no tag points at this commit: git tag -a v{released} -m {released}")
    problems += [
        f"the tag is {tag}, the package's version is {released}: change {PACKAGE}/__init__.py, or move the tag"
        for tag in tags
        if tag != f"v{released}"
    ]
    heading = re.search(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    newest = heading[1] if heading else "nothing"
    if not re.fullmatch(rf"{re.escape(released)} \(\d{{4}}-\d\d-\d\d\)", newest):
        problems.append(f'CHANGELOG.md begins with "{newest}": write "{released} (YYYY-MM-DD)", the day of the release')
    problems += other_images(root)
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        problems.append(f"{len(changed)} files are not committed: {', '.join(line[3:] for line in changed[:5])}")
    return problems


def other_images(root: Path) -> list[str]:
    """The images in docker-compose.yaml that carry another version than the package."""
    images = re.findall(
        r"^  image: (airflow-batchscore\S*):(\S+)$", (root / "docker-compose.yaml").read_text(), re.MULTILINE
    )
    return [
        f"docker-compose.yaml names {image}:{tag}, the package's version is {version(root)}: change the tag"
        for image, tag in images
        if tag != version(root)
    ]


def main() -> int:
    return told(disagreements(ROOT), f"ready: {version(ROOT)}, in dist/")


if __name__ == "__main__":
    sys.exit(main())
