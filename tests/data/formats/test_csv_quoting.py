"""Which lines are records, against a parser of one character after the other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batchscore.data.formats.csv_quoting import REACH, Quoting
from airflow_batchscore.data.formats.csv_reader import CsvReader
from airflow_batchscore.data.formats.lines import Lines

pytestmark = pytest.mark.unit

QUOTING = Quoting(b'"', b",")

_text = st.lists(st.sampled_from(['"', '""', ",", "a", "\n", "\n", "1,2\n", '"x",y\n', "\r\n"]), max_size=40).map(
    "".join
)


def _ends_open(line: str) -> bool:
    """Whether a quoted field of the line is not closed."""
    state = "start"
    for character in line:
        if state == "start":
            state = "quoted" if character == '"' else "start" if character == "," else "field"
        elif state == "quoted":
            state = "quote" if character == '"' else "quoted"
        elif state == "quote":
            state = "quoted" if character == '"' else "start" if character == "," else "field"
        else:
            state = "start" if character == "," else "field"
    return state == "quoted"


def _closes(lines: list[str]) -> int | None:
    """In which of the lines a field that was opened before them ends as it should; None where it does not."""
    for number, line in enumerate(lines):
        place = 0
        while (place := line.find('"', place)) >= 0:
            if line[place + 1 : place + 2] == '"':
                place += 2
                continue
            return number if line[place + 1 : place + 2] in ("", ",") else None
    return None


def _broken(lines: list[str]) -> set[int]:
    found: set[int] = set()
    for number, line in enumerate(lines):
        if _ends_open(line):
            last = _closes(lines[number + 1 :])
            found |= {number} if last is None else set(range(number, number + last + 2))
    return found


@settings(max_examples=500, deadline=None)
@given(text=_text)
def test_the_lines_that_are_no_records_are_found(text: str) -> None:
    lines = text.replace("\r\n", "\n").split("\n")
    text = "\n".join(lines)
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    ranges = QUOTING.broken_lines(text.encode())
    assert all(a < b for a, b in ranges)
    found = {number for number, start in enumerate(starts) if any(a <= start < b for a, b in ranges)}
    assert {number for number in found if lines[number]} == {number for number in _broken(lines) if lines[number]}


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(text=_text, before=_text, after=_text)
def test_each_line_is_one_row_and_reads_as_it_does_alone(text: str, before: str, after: str) -> None:
    reader = CsvReader(("id", "a"), {"a": "string"}, {}, {"id": None})
    parts = [part.encode() + b"\n" if part else b"" for part in (before, text, after)]
    quoted = b'"' in b"".join(parts)
    batch = reader.read(Lines(memoryview(parts[1]), parts[0], parts[2], quoted))
    every = [part.decode().replace("\r\n", "\n").split("\n")[:-1] for part in parts]
    skipped, count = len(every[0]), len(every[1])
    broken = _broken([*every[0], *every[1], *every[2]])
    filled = [n for n in range(count) if every[1][n]]
    assert batch.rows_read == len(filled)
    expected = []
    for row, number in enumerate(filled):
        alone = reader.read(Lines(memoryview(every[1][number].encode()), quoted=True))
        if skipped + number not in broken and alone.table.num_rows:
            expected.append((row, alone.keys.to_pylist(), alone.table.to_pylist()))
    found = [
        (position, batch.keys.slice(n, 1).to_pylist(), batch.table.slice(n, 1).to_pylist())
        for n, position in enumerate(batch.positions.tolist())
    ]
    assert found == expected
    assert sorted([*batch.positions.tolist(), *(row.position for row in batch.bad)]) == list(range(len(filled)))


def test_a_field_that_ends_too_far_away_is_a_stray_quote() -> None:
    for length, joined in ((REACH - 20, True), (REACH, False)):
        text = b'1,"x\n' + b"y" * length + b'\nz",2\n'
        assert QUOTING.broken_lines(text) == [(0, len(text) if joined else 5)]
