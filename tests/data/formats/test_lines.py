"""What a line is does not depend on where a file is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from one_csv_file import blocks_of, one_csv, rows_of

from airflow_batchscore.data.blocks import read
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.csv_quoting import REACH
from airflow_batchscore.data.formats.lines import LONGEST_BYTES
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

MULTI = {"newlines_in_values": True}


@pytest.mark.parametrize("step", [7, 60, 1000])
def test_what_a_line_is_does_not_depend_on_where_the_file_is_cut(tmp_path: Path, step: int) -> None:
    rows = [f'{n},1,"first\n{n}{n},1,second line\n\nlast"' if n % 7 == 3 else f"{n},1,x" for n in range(60)]
    rows[20], rows[41] = '20,1,"stray', '41,"stray,x'
    dataset = one_csv(tmp_path, "id,a,text\n" + "\n".join(rows))
    good, bad = rows_of(dataset, blocks_of(dataset))
    assert good == [str(n) for n in range(60) if n % 7 != 3 and n not in (20, 41)]
    assert (good, bad) == rows_of(dataset, blocks_of(dataset, step))
    assert len(bad) == 2 + 3 * 9 - 0


@pytest.mark.parametrize("around", [-2, -1, 0, 1, 2])
def test_the_reach_of_a_field_is_the_same_for_every_cut(tmp_path: Path, around: int) -> None:
    filling = REACH + around - len('2,1,"x\n') - len("3,1,\n") - len('y"')
    text = f'id,a,text\n1,1,x\n2,1,"x\n3,1,{"z" * filling}\ny",1,1\n4,1,x\n'
    dataset = one_csv(tmp_path, text)
    whole = rows_of(dataset, blocks_of(dataset))
    assert whole[0] == (["1", "4"] if around <= 0 else ["1", "3", 'y"', "4"])
    for step in (1000, 4001, REACH):
        assert rows_of(dataset, blocks_of(dataset, step)) == whole


def test_a_stray_quote_before_lines_that_are_quoted_costs_one_row(tmp_path: Path) -> None:
    rows = [f'{n},{n},"Smith, J"' for n in range(50)]
    rows[10] = '10,10,"Smith'
    dataset = one_csv(tmp_path, "id,a,name\n" + "\n".join(rows))
    assert rows_of(dataset, blocks_of(dataset)) == ([str(n) for n in range(50) if n != 10], ['10,10,"Smith'])


@pytest.mark.parametrize("batch_bytes", [10, 1000, 1 << 20])
def test_quoted_line_ends_are_read_when_asked_for(tmp_path: Path, batch_bytes: int) -> None:
    rows = [f'{n},{n},"two\nlines, ""{n}""\r\n"' if n % 3 else f'{n},{n},5" pipe' for n in range(4000)]
    dataset = one_csv(tmp_path, "id,a,text\n" + "\n".join(rows), **MULTI)
    (block,) = blocks_of(dataset)
    small = Block(0, type(block.source)(**{**vars(block.source), "batch_bytes": batch_bytes}), block.start, block.stop)
    batches = list(read(dataset, small, {"text": "string"}, {"id": None}))
    texts = [text for batch in batches for text in batch.table["text"].to_pylist()]
    assert texts == [f'two\nlines, "{n}"\r\n' if n % 3 else '5" pipe' for n in range(4000)]
    assert [bad for batch in batches for bad in batch.bad] == []
    assert (len(batches) > 5) == (batch_bytes <= 1000)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['3,1,"x'], "p_1.csv: the quoted field that begins in line 5 is not closed before the end of the file"),
        (['3,1,"x', *["4,1,y"] * 1100, '5,1,z"'], "begins in line 5 goes over more than 1000 lines"),
        (['3,1,"x', *["4,1,y"] * 100, '5,1,"z'], "begins in line 5 is closed within text, in line 106"),
    ],
)
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_a_field_that_cannot_be_one_is_an_error_that_names_its_line(
    tmp_path: Path, rows: list[str], message: str, size: int
) -> None:
    dataset = one_csv(tmp_path, "\n".join(["id,a,text", "1,1,x", '2,1,"p\nq"', *rows, "9,9,x"]), **MULTI)
    (block,) = blocks_of(dataset)
    source = type(block.source)(**{**vars(block.source), "batch_bytes": size})
    with pytest.raises(InputError, match=f"{message}.*A stray quote does that"):
        rows_of(dataset, [Block(0, source, block.start, block.stop)])


@pytest.mark.parametrize("options", [{}, MULTI])
def test_a_line_without_end_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    text = b"id,a,text\n1,1,x\n2,1," + b"y" * (LONGEST_BYTES + (3 << 20)) + b"\n3,1,x\n"
    dataset = one_csv(tmp_path, text, **options)
    with pytest.raises(InputError, match=r"p_1.csv: the (line|row) that begins .* is longer than 32 MiB"):
        rows_of(dataset, blocks_of(dataset, None if options else 1 << 20))
