"""What a publication does to each partition, and which of it is refused."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from publications import committed

from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.changes import Changes, is_same, require_rows
from airflow_batchscore.publish.stamp import PartitionStamp, Publication

pytestmark = pytest.mark.unit


def _stamp(partition: int, rows: int = 10, generation: int = 1, manifest: str = "") -> PartitionStamp:
    stamp = PartitionStamp.of(committed(partition, rows), Publication(generations={f"p={partition}": generation}))
    return replace(stamp, manifest=manifest or stamp.manifest)


OLD = {stamp.key: stamp for stamp in (_stamp(1), _stamp(2), _stamp(3))}
NEW = [_stamp(2, generation=5), _stamp(3, manifest="another"), _stamp(4)]


@pytest.mark.parametrize(("keep", "kept", "dropped"), [(True, ["p=1"], []), (False, [], ["p=1"])])
def test_each_partition_has_one_fate(keep: bool, kept: list[str], dropped: list[str]) -> None:
    changes = Changes.between(OLD, NEW, keep=keep)
    assert changes == Changes(["p=4"], ["p=3"], ["p=2"], kept, dropped, generation=5)
    assert changes.to_dict() == {
        "added": ["p=4"],
        "replaced": ["p=3"],
        "unchanged": ["p=2"],
        "kept": kept,
        "dropped": dropped,
    }


def test_only_partitions_that_come_change_or_go_need_a_new_publication() -> None:
    assert not Changes(unchanged=["p=1"], kept=["p=2"], generation=9).any
    assert [Changes(**{what: ["p=1"]}).any for what in ("added", "replaced", "dropped")] == [True] * 3


def test_scores_are_the_same_if_their_manifest_is() -> None:
    assert is_same(_stamp(1), _stamp(1, generation=7))
    assert not is_same(_stamp(1), _stamp(1, manifest="another"))
    assert not is_same(None, _stamp(1))


def test_a_partition_without_rows_does_not_replace_one_with_rows() -> None:
    published = {"p=1": _stamp(1, 10), "p=2": _stamp(2, 0)}
    emptied = [_stamp(1, 0), _stamp(2, 0), _stamp(3, 0)]
    with pytest.raises(GateError, match=r"no row was scored of p=1 \(10 rows\), of which /out has rows.*allow_empty"):
        require_rows(emptied, published, "/out", Publication())
    require_rows(emptied, published, "/out", Publication(allow_empty=True))
    require_rows(emptied[1:], published, "/out", Publication())


def test_a_log_names_what_changed_and_of_very_many_partitions_the_first(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Changes(added=[f"p={n}" for n in range(25)], kept=["p=99"]).log("/out")
    first, second = caplog.messages
    assert first.startswith("/out: 25 partitions added: p=0, p=1, ")
    assert first.endswith("p=9 and 15 more")
    assert second == "/out: 1 partition kept: p=99"
