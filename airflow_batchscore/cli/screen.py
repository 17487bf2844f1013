"""What people see: tables and progress by rich. On a pipe or in a file there are no colours, and nothing is cut off."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from io import StringIO
from typing import TYPE_CHECKING

from airflow_batchscore.errors import BatchScoreError

if TYPE_CHECKING:
    from airflow_batchscore.scoring.tally import Count

#: Columns of a table that is not read on a terminal.
_WIDE = 1000


class NoTablesError(BatchScoreError):
    """rich is not installed."""


def require_tables() -> None:
    """Raise NoTablesError if rich is missing: before the work, not after it."""
    from importlib.util import find_spec

    if find_spec("rich") is None:
        raise NoTablesError(
            "tables need the package rich: pip install 'airflow-batchscore[cli]'; or take --json, which needs nothing"
        )


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table. Numbers stand on the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        are_numbers = rows and all(isinstance(row[place], (int, float)) or row[place] == "" for row in rows)
        table.add_column(Text(plain(name)), justify="right" if are_numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    if sys.stdout.isatty():
        Console(highlight=False, markup=False, emoji=False).print(table)
        return
    page = Console(width=_WIDE, file=StringIO(), highlight=False, markup=False, emoji=False, no_color=True)
    with page.capture() as written:
        page.print(table)
    print("\n".join(line.rstrip() for line in written.get().splitlines()))


def show_line(text: str) -> None:
    """Print a sentence, in one line however long it is."""
    print(plain(text))


def plain(text: object) -> str:
    """Without anything that a terminal would obey: names and values come from files of others."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else plain(f"{value:.6g}" if isinstance(value, float) else value)


@contextmanager
def progress_bar(what: str, *, wanted: bool) -> Iterator[Callable[[Count], None] | None]:
    """A bar on stderr that follows a run, gone when it ends; nothing unless stderr is a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    more = (TextColumn("blocks, {task.fields[rows]} rows", markup=False), TimeRemainingColumn())
    with Progress(*columns, *more, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(plain(what), total=None, rows="0")

        def show(count: Count) -> None:
            rows = f"{count.account.rows_read:,}"
            bar.update(task, completed=count.blocks, total=count.blocks_total, rows=rows)

        yield show


@contextmanager
def prints_on_stderr() -> Iterator[None]:
    """What libraries (Airflow's log) and users' functions print is no part of the answer, also from other processes."""
    with redirect_stdout(sys.stderr), ExitStack() as restored:
        with suppress(OSError):  # there is no stdout, or no stderr
            own = os.dup(1)
            restored.callback(os.close, own)
            os.dup2(2, 1)
            restored.callback(os.dup2, own, 1)
        yield


class ToStderr(logging.Handler):
    """Log lines on what is stderr at that moment, which a progress bar may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        print(plain(self.format(record)), file=sys.stderr)
