"""CSV files are cut into byte ranges that hold every row once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


TYPES: dict[str, str | None] = {"id": "int64", "a": "float64", "b": "float64"}


def _dataset(folder: Path, **options: Any) -> PartitionedDataset:
    return PartitionedDataset(f"{folder}/p_{{p}}.csv", read_options=options)


def _cut(dataset: PartitionedDataset, rows: int) -> list[Block]:
    return cut(dataset, dataset.partition({"p": "1"}), block_rows=rows)


def _ids(dataset: PartitionedDataset, blocks: list[Block]) -> list[int]:
    return [n for block in blocks for batch in read(dataset, block, TYPES) for n in batch.table["id"].to_pylist()]


@pytest.mark.parametrize("rows", [1, 3, 7, 50, 1000])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_byte_ranges_hold_every_row_once_and_in_order(tmp_path: Path, rows: int, ending: str, last: bool) -> None:
    lines = ["id,a,b,name", *(f"{n},{n}.5,{n % 3},{'x' * (n % 40)}" for n in range(200))]
    (tmp_path / "p_1.csv").write_bytes((ending.join(lines) + (ending if last else "")).encode())
    dataset = _dataset(tmp_path)
    blocks = _cut(dataset, rows)
    assert _ids(dataset, blocks) == list(range(200))
    assert len(blocks) > 1 or rows == 1000


def test_a_line_longer_than_a_block_is_read_once(tmp_path: Path) -> None:
    lines = ["id,a,b,name", "0,1,1,x", f"1,1,1,{'y' * 90_000}", "2,1,1,z", *(f"{n},1,1,s" for n in range(3, 60))]
    (tmp_path / "p_1.csv").write_text("\n".join(lines))
    dataset = _dataset(tmp_path)
    source = _cut(dataset, 1000)[0].source
    starts = range(source.data_start, source.size, 50)
    blocks = [Block(n, source, start, min(start + 50, source.size)) for n, start in enumerate(starts)]
    assert _ids(dataset, blocks) == list(range(60))


def test_a_header_alone_has_no_rows_and_an_empty_file_is_an_error(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path)
    for text in ("id,a,b\n", "id,a,b"):
        (tmp_path / "p_1.csv").write_text(text)
        assert _ids(dataset, _cut(dataset, 10)) == []
        joined = _dataset(tmp_path, newlines_in_values=True)
        assert _ids(joined, _cut(joined, 10)) == []
    (tmp_path / "p_1.csv").write_text("")
    with pytest.raises(InputError, match="partition p=1: .* is empty"):
        _cut(dataset, 10)


def test_other_encodings_are_read_when_named(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16"):
        (tmp_path / "p_1.csv").write_bytes("id,a,b,name\n1,1,1,Škoda é\n".replace("Š", "S").encode(encoding))
        dataset = _dataset(tmp_path, encoding=encoding)
        batches = [batch for block in _cut(dataset, 10) for batch in read(dataset, block, {"name": "string"})]
        assert [name for batch in batches for name in batch.table["name"].to_pylist()] == ["Skoda é"]


def test_rows_that_do_not_parse_have_no_say_in_the_types(tmp_path: Path) -> None:
    (tmp_path / "p_1.csv").write_text('id,a,b\n1,1,x\n2,"zz\n3\n4,2,y\n')
    dataset = _dataset(tmp_path)
    (block,) = _cut(dataset, 1000)
    types = list(Csv().types(block, dataset.settings, {"a", "b"}.__contains__, sample=False))
    assert types == [("a", "null"), ("b", "null"), ("a", "int64"), ("b", "string")]


def test_a_value_that_is_refused_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "p_1.csv").write_text("id,a,b\n1,,x\n2,7,x\n")
    dataset = _dataset(tmp_path)
    (block,) = _cut(dataset, 1000)
    with pytest.raises(InputError, match=r"p_1\.csv: column 'a' has values here \('7'\)"):
        list(read(dataset, block, {"a": "null"}))
