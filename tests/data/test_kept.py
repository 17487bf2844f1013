"""What is kept: once made, bounded, whole for threads; cuts of the files that partitions share."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from packages import install

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.data.formats.registry import GROUP
from airflow_batchscore.data.kept import Kept
from airflow_batchscore.data.storage import FileInfo

pytestmark = pytest.mark.unit

CUT: Counter[str] = Counter()


class CutCounted(Csv):
    """Counts how often each file is cut."""

    def cut(self, file: FileInfo, *arguments: Any) -> Any:
        CUT[file.uri] += 1
        return super().cut(file, *arguments)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_value_is_made_once_and_the_least_used_goes_first() -> None:
    made = Counter[str]()
    kept: Kept[str] = Kept(10, len)

    def get(name: str) -> str:
        def make() -> str:
            made[name] += 1
            return name

        return kept.get(name, make)

    assert [get(name) for name in ("aaa", "bbb", "ccc", "aaa")] == ["aaa", "bbb", "ccc", "aaa"]
    get("dd")  # too much: bbb, which nobody has used since, goes
    get("aaa")
    get("ccc")
    assert made == {"aaa": 1, "bbb": 1, "ccc": 1, "dd": 1}
    get("bbb")
    assert made["bbb"] == 2
    get("x" * 20)  # more than all may be
    get("x" * 20)
    assert made["x" * 20] == 1


def test_what_cannot_be_made_is_tried_again() -> None:
    kept: Kept[int] = Kept(10)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 1) == 1


def test_threads_that_drop_each_others_values_get_their_own(hasty: None) -> None:
    kept: Kept[int] = Kept(2)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: kept.get(n % 7, lambda: n % 7), range(5_000)))
    assert found == [n % 7 for n in range(5_000)]
    assert len(kept._values) == kept._total == 2


def test_each_of_many_files_is_cut_once_for_all_partitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path / "site", "cutting", GROUP, {".cutting": f"{__name__}:CutCounted"})
    for number in range(120):
        (tmp_path / f"{number}.cutting").write_text(f"n\n{number}\n")
    dataset = PartitionedDataset(f"{tmp_path}/*.cutting", partition_by="n % 3")
    CUT.clear()
    for values in ({"n_mod_3": "0"}, {"n_mod_3": "1"}, {"n_mod_3": "2"}):
        assert len(cut(dataset, dataset.pin(dataset.partition(values)), block_rows=100)) == 120
    assert set(CUT.values()) == {1}
    assert len(CUT) == 120
