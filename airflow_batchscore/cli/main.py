"""``batchscore``: reads the command line, runs a command, and says in one line what went wrong.

Exit codes: 0 done; 1 it failed, or a gate did not pass; 2 the command line is wrong; 130 interrupted; 141 what read the
output is gone.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence

import airflow_batchscore
from airflow_batchscore.cli import commands, options, typed
from airflow_batchscore.cli.screen import ToStderr, plain, prints_on_stderr, require_tables
from airflow_batchscore.cli.typed import CommandLineError
from airflow_batchscore.cli.worded import worded
from airflow_batchscore.errors import BatchScoreError, first_lines

_FAILED, _WRONG, _INTERRUPTED, _PIPE_CLOSED = 1, 2, 130, 141

_PREVIEW = """\
example:
  batchscore preview 'orders_{year}.csv' --model models/returns@champion --partition 2024 --rows 5
"""
_PLAN = """\
example:
  batchscore plan 'orders_{year}.csv' --model models/returns@champion --output staged --publish-to scores.parquet
"""
_ESTIMATE = """\
example:
  batchscore estimate 'orders_{year}.csv' --model models/returns@champion --output staged \\
      --price-per-core-hour 0.04 --max-cost 25 --max-seconds 7200
"""
_SCORE = """\
example:
  batchscore score 'orders_{year}.csv' --model models/returns@champion --partitions 2023..2024 \\
      --output staged --publish-to scores.parquet
"""
_CLEAN = """\
example:
  batchscore clean staged --published scores.parquet --keep-days 30 --keep-runs 5 --dry-run
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if given.verbose else logging.WARNING, format="%(message)s", handlers=[ToStderr()]
    )
    # As `python -m` does; last, so that no file of the folder hides a library.
    folders = [os.path.abspath(folder) for folder in (*given.import_path, os.getcwd())]
    sys.path += [folder for folder in folders if folder not in sys.path]
    try:
        return _run(given)
    except KeyboardInterrupt:
        print("batchscore: interrupted; what was committed stays, and the next run goes on from there", file=sys.stderr)
        return _INTERRUPTED


def _run(given: argparse.Namespace) -> int:
    try:
        if not given.json:
            require_tables()
        with prints_on_stderr():
            answer = given.run(given)
    except Exception as error:
        return _failed(error, given)
    try:
        if given.json:
            print(json.dumps(answer.json, indent=2, default=str))
        else:
            answer.show()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again when it ends
        return _PIPE_CLOSED
    except OSError as error:  # such as a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        why = error.strerror or error
        print(f"batchscore: the answer could not be written ({why}); what the command did is done", file=sys.stderr)
        return _FAILED
    if answer.problem:
        _say(worded(answer.problem, vars(given)))
    return int(answer.code)


def _failed(error: Exception, given: argparse.Namespace) -> int:
    if given.debug:
        raise error
    text = first_lines(error) or type(error).__name__
    if not isinstance(error, (BatchScoreError, OSError)):
        text = f"{type(error).__name__}: {text} (--debug shows where)"
    elif isinstance(error, BatchScoreError):
        text = worded(text, vars(given))
    _say(text)
    return _WRONG if isinstance(error, CommandLineError) else _FAILED


def _say(text: str) -> None:
    lines = "\n".join(plain(line) for line in text.splitlines())
    print(f"batchscore: {lines}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="batchscore",
        description="Score partitioned data with a model, by hand: the same scores as in Airflow, and each reuses the "
        "other's. Nothing needs Airflow.",
        epilog="exit codes: 0 done; 1 failed, or a gate did not pass; 2 wrong command line; 130 interrupted",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=airflow_batchscore.__version__)
    sub = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    preview = _command(
        sub, "preview", commands.preview, "try the first rows of a partition; nothing is written", _PREVIEW
    )
    options.add_dataset(preview)
    options.add_scoring(preview)
    group = preview.add_argument_group("the rows")
    group.add_argument("--partition", metavar="TEXT", action="append", help="which; default: the first")
    group.add_argument("--rows", metavar="N", type=typed.count, default=10, help="how many; default: 10")
    group.add_argument("--features", metavar="MODULE:NAME", help="show what a recipe's function makes of them")

    plan = _command(sub, "plan", commands.plan, "say what a run would score, reuse, skip and replace", _PLAN)
    options.add_dataset(plan)
    options.add_scoring(plan)
    options.add_run(plan)

    estimate = _command(
        sub, "estimate", commands.estimate, "score a sample, and say what the run would take and cost", _ESTIMATE
    )
    options.add_dataset(estimate)
    options.add_scoring(estimate)
    options.add_run(estimate, publishes=False)
    options.add_limits(estimate)
    options.add_engine(estimate)

    score = _command(sub, "score", commands.score, "score partitions, check the scores, publish them", _SCORE)
    options.add_dataset(score)
    options.add_scoring(score)
    options.add_run(score)
    group = score.add_argument_group("the gate")
    group.add_argument("--max-quarantined", metavar="N", type=typed.number, default=0, help="bad rows; default: 0")
    group.add_argument("--max-skipped", metavar="N", type=typed.number, help="rows left out; default: not all")
    group.add_argument("--max-drift", metavar="PSI", type=typed.amount, help="highest drift; default: not checked")
    group.add_argument(
        "--max-unseen", metavar="SHARE", type=typed.share, help="rows with a class that training did not see"
    )
    group.add_argument(
        "--max-outside", metavar="SHARE", type=typed.share, help="rows with a number outside the training range"
    )
    options.add_engine(score)

    runs = _command(
        sub,
        "runs",
        commands.runs,
        "list runs, by what they left on storage",
        "example:\n  batchscore runs scores.parquet\n",
    )
    runs.add_argument("uri", help="what runs published, or the folder where they stage scores")
    runs.add_argument("--most", metavar="N", type=typed.count, default=20, help="how many, newest first; default: 20")

    models = _command(
        sub,
        "models",
        commands.models,
        "list a model's versions and aliases",
        "example:\n  batchscore models models/returns\n",
    )
    models.add_argument("uri", help="the model's folder")

    promote = _command(
        sub,
        "promote",
        commands.promote,
        "point an alias at a version, if its metrics pass",
        "example:\n  batchscore promote models/returns/3f2a9c --to champion --require 'accuracy>=0.9'\n",
    )
    promote.add_argument("model", help="'<uri>/<version>' or '<uri>@<alias>'")
    promote.add_argument("--to", metavar="ALIAS", required=True, help="the alias")
    promote.add_argument(
        "--require",
        metavar="LIMIT",
        action="append",
        type=typed.limit,
        default=[],
        help="such as 'accuracy>=0.9' (again for each)",
    )
    promote.add_argument("--baseline", metavar="MODEL", help="the model that limits such as '>=baseline' mean")
    options.add_trust(promote.add_argument_group("the model"))

    clean = _command(sub, "clean", commands.clean, "remove staged scores that nobody needs any more", _CLEAN)
    clean.add_argument("output", help="the folder where scores are staged")
    clean.add_argument(
        "--published",
        metavar="URI",
        action="append",
        required=True,
        help="an output that is made of these scores, whose scores stay (again for each); or: none",
    )
    clean.add_argument("--keep-days", metavar="N", type=typed.amount, help="keep what was committed in the last N days")
    clean.add_argument(
        "--keep-runs", metavar="N", type=typed.count, help="keep the newest N scorings of each partition"
    )
    clean.add_argument(
        "--min-age-hours", metavar="N", type=typed.amount, default=72, help="touch nothing younger; default: 72"
    )
    clean.add_argument("--dry-run", action="store_true", help="only say what would go")
    return parser


def _command(
    sub: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], commands.Answer],
    what: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = sub.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    group = parser.add_argument_group("of every command")
    group.add_argument("--conn-id", metavar="ID", help="Airflow connection; default: what the environment has")
    group.add_argument("--import-path", metavar="FOLDER", action="append", default=[], help="where your modules are")
    group.add_argument("--json", action="store_true", help="print JSON instead of tables")
    group.add_argument("--quiet", action="store_true", help="no progress bar")
    group.add_argument("--verbose", action="store_true", help="log what is done, on stderr")
    group.add_argument("--debug", action="store_true", help="show a traceback when it fails")
    return parser
