"""What a plan tells of the partitions that it found, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.storage import FileInfo
from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.plan.unusual import as_list, unusual

pytestmark = pytest.mark.unit


def _batches(*sizes: int) -> list[Partition]:
    return [
        Partition({"batch": str(n)}, (FileInfo(f"/in/{n}.csv", size, (1000 + 60 * n) * 10**9),))
        for n, size in enumerate(sizes)
    ]


ODD = _batches(*[1000] * 10, 9000, *[1000] * 5, 50)


def test_of_all_partitions_the_newest_is_told_and_of_some_each() -> None:
    assert list(unusual(ODD, ODD)) == ["batch=16"]
    assert list(unusual(ODD, ODD[5:12])) == ["batch=10"]
    assert unusual(ODD, ODD[11:16]) == {}
    (text,) = as_list(unusual(ODD, ODD[-1:]))
    assert text.startswith("partition batch=16 has 50 B, 0.051 times the usual 1 kB (median of the 16 before it)")


def test_a_partition_that_is_too_large_or_too_small_is_not_planned() -> None:
    message = r"not planned, because max_volume_change=3: partition batch=16 has 50 B.*all of it was sent\. If it is"
    with pytest.raises(GateError, match=message):
        unusual(ODD, ODD, 3)
    with pytest.raises(GateError, match="partition batch=10 has 9 kB, 9 times the usual.*rows were sent twice"):
        unusual(ODD, ODD[9:12], 3)
    assert unusual(ODD[:-1], ODD[:-1], 3) == {}
    assert list(unusual(ODD, ODD[9:12], 10)) == ["batch=10"], "told all the same"


def test_a_limit_that_cannot_be_measured_fails() -> None:
    few = _batches(*[1000] * 8)
    with pytest.raises(GateError, match="max_volume_change cannot be measured: no partition has the 8 before it"):
        unusual(few, few, 3)
    assert unusual(few, few) == {}
    for limit in (1, 0, -3, float("nan")):
        with pytest.raises(InputError, match=f"max_volume_change={limit:g}: give how many times"):
            unusual(ODD, ODD, limit)


def test_buckets_have_no_order_and_no_sizes_of_their_own(tmp_path: Path) -> None:
    """Their shares are equal by arithmetic: a limit of them could not fail."""
    (tmp_path / "x.csv").write_text("user_id,day\n" + "".join(f"{n},2026-01-{n % 20 + 1:02}\n" for n in range(400)))
    for by in ("user_id % 20", "hash(user_id) % 20", "_row % 20", ["user_id % 20", "hash(day) % 2"]):
        dataset = PartitionedDataset(f"{tmp_path}/x.csv", partition_by=by)
        every, terms = dataset.discover(), dataset.terms
        with pytest.raises(GateError, match="max_volume_change cannot be measured: .*bucket is no order"):
            unusual(every, every[10:], 3, terms=terms)
        assert unusual(every, every[10:], terms=terms) == {}
    dataset = PartitionedDataset(f"{tmp_path}/x.csv", partition_by=["user_id % 2", "day"])
    days = dataset.discover()
    assert unusual(days, days, 3, terms=dataset.terms) == {}, (
        "the rows of a day are counted, and each bucket has its own days"
    )


def test_what_a_limit_was_not_measured_for_is_told() -> None:
    odd = Partition({"batch": "latest"}, ODD[0].files)
    (text,) = as_list(unusual([*ODD, odd], [*ODD[4:10], odd], 3))
    assert text == (
        "max_volume_change=3 was not measured for 5 of the partitions, batch=4, batch=5, batch=6, batch=7, "
        "batch=latest: they do not have the 8 before them that tell what is usual"
    )
    assert unusual([*ODD, odd], [*ODD[4:10], odd]) == {}, "nobody asked"
