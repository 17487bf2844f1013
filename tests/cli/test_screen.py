"""Tables in a file are whole and plain; nothing that stands in data is obeyed."""

from __future__ import annotations

import logging

import pytest

from airflow_batchscore.cli.screen import ToStderr, plain, progress_bar, show_table

pytestmark = pytest.mark.unit


def test_a_table_in_a_file_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "s3://bucket/" + "x" * 300
    show_table("runs", ["name", "rows", "passed", "where"], [["a", 1234567, True, long], ["b [red]", 2, None, ""]])
    out = capsys.readouterr().out
    assert long in out
    assert [line.split() for line in out.splitlines()][4:6] == [
        ["a", "1,234,567", "yes", long],
        ["b", "[red]", "2", "-"],
    ]
    assert "\x1b" not in out


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("nothing", ["name"], [])
    assert "name" in capsys.readouterr().out


def test_what_a_terminal_would_obey_is_shown_as_text() -> None:
    assert plain("a\x1b[2Jb\u202ec\nd") == r"a\x1b[2Jb\u202ec\nd"
    assert plain("Müller, 東京") == "Müller, 東京"


def test_there_is_no_bar_where_nobody_looks() -> None:
    with progress_bar("scoring", wanted=True) as show:
        assert show is None


def test_log_lines_go_to_what_is_stderr_now(capsys: pytest.CaptureFixture[str]) -> None:
    ToStderr().emit(logging.LogRecord("x", logging.WARNING, "x.py", 1, "one %s", ("two\x07",), None))
    assert capsys.readouterr().err == "one two\\x07\n"
