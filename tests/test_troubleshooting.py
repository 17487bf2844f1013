"""Each message that docs/troubleshooting.md quotes is one that the code can say."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import ROOT

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
#: Sections whose messages are another program's, or none at all.
_AIRFLOW, _NONE = "Of Airflow itself", "No message at all"
#: What a message leaves out, and what varies in it.
_GAP = re.compile(r"<[^<>]*>|\.\.\.")
#: What a log line or `format` fills in.
_FILLED = re.compile(r"%[-+.\d]*[sdfr]|\{\}")


def _messages() -> dict[str, set[str]]:
    """Section -> the messages in the first cells of its table."""
    found = {}
    for section in PAGE.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        found[title] = {quoted for row in rows for quoted in re.findall(r"`([^`]+)`", row.split(" | ", 1)[0])}
    return found


MESSAGES = _messages()
OURS = sorted(quoted for title, messages in MESSAGES.items() if title not in (_AIRFLOW, _NONE) for quoted in messages)


def _pieces(quoted: str) -> list[str]:
    """What stands between the gaps, longest first; single words prove little and are left out."""
    between = [piece.strip(" ,;:.()'") for piece in _GAP.split(quoted)]
    return sorted((piece for piece in between if " " in piece), key=len, reverse=True)


@cache
def _said(*folders: Path) -> str:
    """The texts of all Python files, an f-string's values left out, a line each."""
    lines: list[str] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                lines += _FILLED.sub("\n", node.value).splitlines()
    return "\n".join(" ".join(line.split()) for line in lines)


def test_the_page_has_messages_in_each_section() -> None:
    assert len(OURS) > 60
    assert all(messages for title, messages in MESSAGES.items() if title != _NONE)


@pytest.mark.parametrize("quoted", OURS)
def test_a_quoted_message_is_in_the_code(quoted: str) -> None:
    pieces = _pieces(quoted)
    assert pieces, "a message is quoted with two words of it at least"
    missing = [piece for piece in pieces if piece not in _said(ROOT / "airflow_batchscore")]
    assert not missing


def test_airflows_messages_are_in_airflow() -> None:
    airflow = find_spec("airflow")  # which imports nothing
    assert airflow
    folder = Path(airflow.origin or "").parent / "sdk"
    for quoted in MESSAGES[_AIRFLOW]:
        assert [piece for piece in _pieces(quoted) if piece not in _said(folder)] == []
