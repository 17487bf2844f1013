"""Hooks of mkdocs: the pages that lie outside ``docs/``, and links that work on the site as in the repository.

README.md, SECURITY.md and their like become pages. So does each file of code that a page links to, because the site has
no repository to point at. A folder in the navigation (``decisions/``) stands for its pages, and may be absent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: File of the repository -> its page on the site.
PAGES = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELEASING.md": "releasing.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def home_of(page: str) -> str:
    """The file of the repository that a page of the site shows."""
    return {there: here for here, there in PAGES.items()}.get(page, f"docs/{page}")


def page_of(path: str, root: Path = ROOT) -> str:
    """The page (or the image) of the site that shows a file, or a folder's README.md, of the repository."""
    if (root / path).is_dir():
        path = f"{path}/README.md"
    if path in PAGES:
        return PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"source/{path}.md"


def targets(text: str, home: str) -> set[str]:
    """The files and folders that the links of a text name, from the root of the repository."""
    return {_target(match[1], home) for match in _LINK.finditer(text)}


def relink(text: str, page: str, root: Path = ROOT) -> str:
    """The text of a page with links that hold on the site."""
    here = PurePosixPath(page).parent

    def link(match: re.Match[str]) -> str:
        path = page_of(_target(match[1], home_of(page)), root)
        return f"]({os.path.relpath(path, here)}{match[2] or ''})"

    return _LINK.sub(link, text)


def _exists(path: str) -> bool:
    return (ROOT / path).is_file() or (ROOT / path / "README.md").is_file()


def _target(link: str, home: str) -> str:
    return os.path.normpath(PurePosixPath(home).parent / link)


def expand(nav: Iterable[Any], docs: Path) -> list[Any]:
    """The navigation with the pages of folders in the place of their names."""
    done: list[Any] = []
    for entry in nav:
        if isinstance(entry, str) and entry.endswith("/"):
            pages = sorted(f"{entry}{path.name}" for path in (docs / entry).glob("*.md"))
            done += sorted(pages, key=lambda page: not page.endswith("README.md"))
        elif isinstance(entry, dict):
            inner = {name: expand(part, docs) if isinstance(part, list) else part for name, part in entry.items()}
            done += [inner] if all(part for part in inner.values()) else []
        else:
            done.append(entry)
    return done


def source_page(path: str, text: str) -> str:
    """A page that shows a file of code."""
    language = {"py": "python", "sh": "sh", "yaml": "yaml", "toml": "toml"}.get(path.rpartition(".")[2], "text")
    return f"# {path}\n\n````{language}\n{text.rstrip()}\n````\n"


def on_config(config: Any) -> Any:
    """Called by mkdocs before it reads anything."""
    config.nav = expand(config.nav, Path(config.docs_dir))
    return config


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs when it has listed ``docs/``."""
    from mkdocs.exceptions import PluginError
    from mkdocs.structure.files import File, InclusionLevel

    texts = {home_of(file.src_uri): file.content_string for file in files.documentation_pages()}
    for path, page in PAGES.items():
        texts[path] = (ROOT / path).read_text()
        files.append(File.generated(config, page, content=texts[path]))
    linked = {(path, home) for home, text in texts.items() for path in targets(text, home)}
    lost = sorted(f"{home} links to {path}, which does not exist" for path, home in linked if not _exists(path))
    if lost:
        raise PluginError("\n".join(lost))
    for path in sorted({path for path, _ in linked if page_of(path).startswith("source/")}):
        text = source_page(path, (ROOT / path).read_text())
        files.append(File.generated(config, page_of(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs for each page."""
    if page.file.src_uri.startswith("source/"):
        return markdown
    return relink(markdown, page.file.src_uri)
