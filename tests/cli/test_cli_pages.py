"""What docs/how-to/try-before-a-run.md and docs/command-line.md tell a reader to save and to type, done in order."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
from support import ROOT
from test_commands import KEYS

from airflow_batchscore.cli.main import main
from airflow_batchscore.scoring import rounds

pytestmark = pytest.mark.unit

#: A block of a page: its language, the file to save it as, its text.
_BLOCK = re.compile(r'^```(python|sh)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


def _do(page: str) -> int:
    """Saves the files, runs the code and types the commands of a page; returns how many commands there were."""
    text = (ROOT / "docs" / page).read_text()
    blocks = _BLOCK.findall(text)
    assert 2 * len(blocks) == text.count("```")
    typed = 0
    for language, name, block in blocks:
        if name:
            Path(name).write_text(block)
        elif language == "python":
            exec(compile(block, page, "exec"), {})  # noqa: S102 - our own page
        else:
            for line in block.replace("\\\n", " ").splitlines():
                program, *words = shlex.split(line)
                if program == "python":
                    runpy.run_path(words[0], run_name="__main__")
                else:
                    assert program == "batchscore"
                    assert main(words) == 0, line
                    typed += 1
    return typed


def test_the_commands_of_the_pages_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(rounds, "_LEAST_SECONDS", 0.1)
    assert _do("how-to/try-before-a-run.md") == 5
    assert _do("command-line.md") == 7


def test_the_page_names_every_command_and_every_key_of_its_json() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page.partition("## JSON")[2], re.MULTILINE))
    assert rows.keys() == KEYS.keys()
    counts = {"rows_read", "rows_scored", "rows_skipped", "rows_quarantined"}
    for command, keys in KEYS.items():
        assert keys - set(re.findall(r"`(\w+)`", rows[command])) <= counts, command
