"""JSON Lines files are cut anywhere; their columns are the names that occur."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_batchscore.data.blocks import cut, read, require_columns
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.inferred_types import sample_types
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def _dataset(folder: Path, *lines: str | bytes, end: bytes = b"\n", **types: str) -> PartitionedDataset:
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    (folder / "p_1.jsonl").write_bytes(b"".join(line + end for line in raw))
    return PartitionedDataset(f"{folder}/p_{{p}}.jsonl", read_options={"column_types": types} if types else {})


@pytest.mark.parametrize("step", [1, 7, 40, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_rows_do_not_depend_on_the_cut(tmp_path: Path, step: int, end: bytes) -> None:
    good = '{"id":"g","a":1}'
    lines = [f'{{"id":{n},"a":{n}.5,"s":"{{}}\\n{{"}}' if n % 9 else '{"id":' for n in range(120)]
    lines[50], lines[70] = "", " " + good
    dataset = _dataset(tmp_path, "\ufeff" + good, *lines, end=end)
    source = cut(dataset, dataset.partition({"p": "1"}), block_rows=1 << 30)[0].source
    expected = ["g", *(str(n) for n in range(120) if n % 9 and n not in (50, 70))]
    expected.insert(expected.index("71"), "g")
    ids, bad = [], 0
    for n, start in enumerate(range(0, source.size, step)):
        for batch in read(dataset, Block(n, source, start, min(start + step, source.size)), {}, {"id": None}):
            ids += batch.keys["id"].to_pylist()
            bad += len(batch.bad)
    assert (ids, bad) == (expected, sum(n % 9 == 0 for n in range(120)))


def test_a_column_that_first_occurs_late_is_found_and_one_that_never_does_is_missing(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, *['{"a":1}'] * 100_000, '{"a":1,"late":2}')
    (partition,) = dataset.require()
    first = cut(dataset, partition, block_rows=1000, columns=["a", "late", "never"])[0]
    with pytest.raises(InputError, match=r"lacks the columns \['never'\]\. .* It has a, late"):
        require_columns(first.source, ["a", "late", "never"], partition_key="p=1")
    assert sample_types(dataset, partition, ["a", "late"], []) == {"a": "int64", "late": "null"}
    declared = _dataset(tmp_path, '{"a":1}', never="float64")
    (block,) = cut(declared, declared.partition({"p": "1"}), block_rows=1000, columns=["never"])
    require_columns(block.source, ["never"], partition_key="p=1")
    (batch,) = read(declared, block, {"never": "float64"})
    assert batch.table["never"].to_pylist() == [None]


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, "id,a", "1,2")
    with pytest.raises(InputError, match=r"p_1.jsonl has no JSON object on any line"):
        cut(dataset, dataset.partition({"p": "1"}), block_rows=10, columns=["a"])
