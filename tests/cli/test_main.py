"""The process around the commands: exit codes, one-line messages, pipes, terminals, Ctrl-C, and no Airflow."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import start_command
from support import ROOT, Small, wait_for

from airflow_batchscore.cli.main import main

pytestmark = pytest.mark.unit

DATA = ["part_{p}.csv", "--model", "model@champion"]
NO_AIRFLOW = "import sys; sys.modules['airflow'] = None; "
START = "import runpy; runpy.run_module('airflow_batchscore', run_name='__main__')"


def _command(*words: str) -> list[str]:
    """``python -m airflow_batchscore``, without an Airflow."""
    return [sys.executable, "-c", f"{NO_AIRFLOW}{START}", *words]


def _environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**plain, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **more}


def test_the_console_script_is_this_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"batchscore": f"{main.__module__}:main"}


@pytest.mark.parametrize("command", ["", "preview", "plan", "score", "runs", "models", "promote", "clean"])
def test_help_names_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"] if command else ["--help"])
    assert ended.value.code == 0
    assert (f"batchscore {command}" if command else "exit codes: 0 done") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: COMMAND"),
        (["guess"], "invalid choice: 'guess'"),
        (["score", "x_{p}.csv"], "required: --output"),
        (["preview", "x_{p}.csv", "--rows", "many"], "'many' is no whole number from 1"),
        (["plan", "x_{p}.csv", "--output", "y", "--quarantine", "few"], "neither a count (1000) nor a share (0.01)"),
        (["plan", "x_{p}.csv", "--output", "y", "--keys", "a,,b"], "write names with commas between them"),
        (["clean", "staged", "--keep-runs", "1"], "required: --published"),
        (["score", *DATA, "--output", "y", "--max-quarantined", "-1"], "neither a count (1000) nor a share (0.01)"),
        (["score", *DATA, "--output", "y", "--max-unseen", "5"], "'5' is no number from 0 to 1"),
        (["score", *DATA, "--output", "y", "--workers", "0"], "'0' is no whole number from 1"),
        (["score", *DATA, "--output", "y", "--block-rows", "0"], "'0' is no whole number from 1"),
        (["estimate", *DATA, "--output", "y", "--share", "2"], "'2' is no number above 0 and up to 1"),
        (["preview", *DATA, "--rows", "0"], "'0' is no whole number from 1"),
        (["promote", "model@champion", "--to", "best", "--require", "accuracy"], "write a metric, a comparison and"),
        (["clean", "staged", "--published", "none", "--keep-runs", "0"], "'0' is no whole number from 1"),
        (["runs", "x", "--mos", "1"], "unrecognized arguments: --mos 1"),
        (["runs", "x", "--most", "-1"], "'-1' is no whole number from 1"),
    ],
)
def test_a_wrong_command_line_ends_with_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", *DATA, "--output", "s", "--read-option", "delimiter"], "write NAME=VALUE"),
        (["score", *DATA, "--output", "s", "--flag", "x>3"], "write NAME=CONDITION"),
        (["score", *DATA, "--output", "s", "--dask", "tcp://x:1", "--workers", "2"], "leave out --workers"),
        (["preview", *DATA, "--read-option", "column_types=5", "--column-type", "a=int64"], "write each type as"),
        (
            ["estimate", *DATA, "--output", "s", "--max-cost", "1"],
            "--max-cost needs a price: add --price-per-core-hour",
        ),
        (["clean", "staged", "--published", "none"], "say what to keep: --keep-days 30, --keep-runs 5, or both"),
    ],
)
def test_options_that_do_not_go_together_say_why_in_a_line_and_end_with_2(
    shop: Small, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "nope_{p}.csv", "--model", "model@champion", "--output", "s"], "no file matches"),
        (["score", "part_{p}.csv", "--model", "model@nobody", "--output", "s"], "batchscore models lists them"),
        (["score", *DATA, "--output", "s", "--trusted", "/srv/models"], "none of the trusted URIs"),
        (["score", *DATA, "--output", "s", "--require-signature"], "put it into the environment as BATCHSCORE_SIG"),
        (["score", "part_{p}.csv", "--output", "s"], "give --model '<uri>@<alias>', or --function 'm"),
        (["score", *DATA, "--output", "s", "--partitions", "7"], "no file for partition p=7"),
        (["score", *DATA, "--output", "s", "--read-option", "sep=;"], "read_options ['sep'] are unknown"),
        (["score", *DATA, "--output", "s", "--dask", "nonsense"], "give the scheduler's host and port"),
        (["score", *DATA, "--output", "s", "--partitions", "[]"], "--partitions '[]' names no partition; leave"),
        (
            ["score", *DATA, "--output", "s", "--group-by", "a", "--columns", "a,b"],
            "--group-by, --columns: only --function takes",
        ),
        (["preview", *DATA, "--partition", "0..2"], "a preview shows one partition, and these are 3"),
        (["preview", *DATA, "--function", "no_module:f"], "--function replaces the model: leave --model out"),
        (
            ["preview", "part_{p}.csv", "--function", "no_module:f"],
            "or lie in the current folder or in one that --import-path names",
        ),
        (
            ["clean", ".", "--published", "none", "--keep-runs", "1"],
            "give the folder where scores are staged, --output",
        ),
        (
            ["score", *DATA, "--output", "s", "--flag", "high=shares>3"],
            "--flag 'high=shares>3': there is no output 'shares'",
        ),
        (["score", *DATA, "--output", "s", "--memory-limit", "2gig"], "--memory-limit '2gig': give bytes"),
        (["runs", "nowhere"], "no run left a trace"),
        (["models", "hdfs://x/y"], "hdfs"),
        (["preview", "s3://bucket/x_{p}.csv", "--model", "model@champion", "--conn-id", "nobody"], "'nobody'"),
    ],
)
def test_what_fails_says_why_in_a_line_and_ends_with_1(
    shop: Small, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("batchscore: ")
    assert message in line
    with pytest.raises(Exception, match=r".+"):
        main([*words, "--debug"])


def test_what_nobody_foresaw_names_its_kind(
    shop: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.folder / "broken_module.py").write_text("1 / 0\n")
    assert main(["preview", "part_{p}.csv", "--function", "broken_module:f"]) == 1
    assert capsys.readouterr().err == "batchscore: ZeroDivisionError: division by zero (--debug shows where)\n"


def test_what_reads_the_output_may_close_it(shop: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(["preview", *DATA, "--partition", "0", "--json"]) == 141
        assert main(["preview", *DATA, "--partition", "0"]) == 0  # what comes now goes nowhere


def test_an_answer_that_cannot_be_written_says_why(
    shop: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["models", "model", "--json"]) == 1
        assert "the answer could not be written (No space left on device)" in capsys.readouterr().err
        assert main(["models", "model"]) == 0  # what comes now goes nowhere


def test_what_a_function_prints_is_no_part_of_the_answer(shop: Small, capfd: pytest.CaptureFixture[str]) -> None:
    (shop.folder / "talking.py").write_text(
        "import os\ndef talk(frame):\n    print('one')\n    os.system('echo two')\n    return frame[['a']]\n"
    )
    assert main(["preview", "part_{p}.csv", "--function", "talking:talk", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["rows_scored"] == 10
    assert {"one", "two"} <= set(err.splitlines())


def test_names_that_a_terminal_would_obey_are_shown_as_text(shop: Small, capsys: pytest.CaptureFixture[str]) -> None:
    (shop.folder / "part_3.csv").write_text("id,a,b\n\x1b[31mred,1,2\n[bold]x[/bold],1,2\n")
    assert main(["preview", *DATA, "--partition", "3"]) == 0
    out = capsys.readouterr().out
    assert r"\x1b[31mred" in out
    assert "[bold]x[/bold]" in out


def _on_a_terminal(words: Sequence[str], folder: Path, **more: str) -> str:
    """What a command prints there."""
    own, theirs = pty.openpty()
    process = start_command(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=_environment(**more))
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(own, 1 << 16):
            said += piece
    except OSError:  # the terminal is gone with the process
        pass
    os.close(own)
    assert process.wait(60) == 0, said.decode()
    return said.decode()


def test_a_terminal_has_a_bar_and_no_colours_if_it_is_asked_for_none(shop: Small) -> None:
    score = _command("score", *DATA, "--partitions", "1", "--output", "staged")
    said = _on_a_terminal(score, shop.folder, NO_COLOR="1")
    assert not re.search(r"\x1b\[[34]\d", said)
    assert "scoring" in said
    assert "30 rows read = 30 scored" in said


def test_a_long_estimator_is_cut_on_a_terminal_alone(shop: Small, capsys: pytest.CaptureFixture[str]) -> None:
    file = shop.folder / "model" / shop.model.version / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "estimator": f"Pipeline({'x' * 80})"}))
    models = _command("models", "model")
    assert re.search(r"Pipeline\(x+\.\.\.", re.sub(r"\s", "", _on_a_terminal(models, shop.folder, COLUMNS="400")))
    assert main(["models", "model"]) == 0
    assert f"Pipeline({'x' * 80})" in capsys.readouterr().out


def test_without_rich_tables_are_refused_before_the_work_and_json_is_not(
    shop: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "rich" else find(name, *more))
    score = ["score", *DATA, "--partitions", "1", "--output", "staged"]
    assert main(score) == 1
    said = capsys.readouterr().err
    assert said.startswith("batchscore: tables need the package rich: pip install 'airflow-batchscore[cli]'")
    assert not (shop.folder / "staged").exists()
    assert main([*score, "--json"]) == 0


def test_ctrl_c_ends_it_with_130_and_keeps_what_was_committed(shop: Small) -> None:
    (shop.folder / "waits_for_ctrl_c.py").write_text(
        "import pathlib, time\n"
        "def wait(frame):\n"
        "    if len(frame) > 60:\n"
        "        pathlib.Path('at_work').touch(); time.sleep(60)\n"
        "    return frame[['a']]\n"
    )
    words = ["score", "part_{p}.csv", "--function", "waits_for_ctrl_c:wait", "--output", "staged", "--partitions", "1"]
    assert main(words) == 0
    words[-1:] = ["0..1"]
    process = start_command(_command(*words), cwd=shop.folder, env=_environment(), stderr=subprocess.PIPE, text=True)
    wait_for((shop.folder / "at_work").exists, 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("batchscore: interrupted; what was committed stays")
    assert len(list(shop.folder.glob("staged/p=1/*/manifests/*.json"))) == 1
