"""The first rows of a partition, each with what scoring would make of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from packages import install
from support import Small, good_rows, newly_trained, small, write_csv

from airflow_batchscore import PartitionedDataset, preview
from airflow_batchscore.api.preview import Preview
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.data.formats.registry import GROUP
from airflow_batchscore.errors import InputError, RecipeError

pytestmark = pytest.mark.unit

SEEN: Counter[str] = Counter()


def positive(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["b"] == 6).any():
        raise ValueError("six")
    return frame.loc[frame["a"] > 0.25, ["a", "b"]]


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]]


def without_n(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="n", errors="ignore")


def centred(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]] - frame[["a", "b"]].mean()


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, [*good_rows(4, 1000), (1004, "x", 1, 0), *good_rows(20, 2000)])
    return made


def _tried(found: Preview) -> list[tuple[int, str]]:
    return [(row.row, row.outcome) for row in found.rows]


def test_the_rows_are_those_of_the_file_and_their_scores_those_of_scoring(data: Small) -> None:
    found = preview(data.dataset, data.model.uri, 1, rows=6)
    assert _tried(found) == [(n, "quarantined" if n == 4 else "scored") for n in range(6)]
    assert found.rows[0].inputs == {"id": 1000, "a": 0.0, "b": 0.0}
    assert found.rows[4].why == "ParseError: column 'a': expected a number, found 'x'"
    ((manifest, _),) = data.score(1)
    scored = pd.read_parquet(f"{manifest.folder}/{manifest.blocks[0].part}")["prediction"]
    shown = [row.outputs[0]["prediction"] for row in found.rows if row.outputs]
    assert shown == scored[:5].tolist()
    assert found.rows[4].inputs == {"id": "1004", "a": "x", "b": "1"}
    assert found.account.astuple() == (6, 5, 0, 1)
    assert json.loads(json.dumps(found.to_dict()))["rows_scored"] == 5
    assert len(preview(data.dataset, data.model.uri, "1", rows=100).rows) == 25


def test_nothing_is_written_and_the_first_partition_is_the_default(data: Small) -> None:
    before = set(data.folder.rglob("*"))
    found = preview(data.dataset, data.model.uri)
    assert (found.partition, len(found.rows)) == ("p=0", 10)
    assert set(data.folder.rglob("*")) == before


def test_rows_that_the_recipe_leaves_out_or_raises_for(tmp_path: Path) -> None:
    trained = newly_trained(tmp_path / "plain")
    options: dict[str, Any] = {"features": "test_preview:positive", "columns": ["a", "b"]}
    with pytest.raises(RecipeError, match="ValueError: six, when it was tried .* output_types="):
        preview(trained.dataset, None, 0, **options)
    options["output_types"] = {"a": "double", "b": "double"}
    found = preview(trained.dataset, None, 0, rows=8, **options)
    assert _tried(found) == [
        *((n, "skipped") for n in (0, 1)),
        *((n, "scored") for n in (2, 3, 4, 5)),
        (6, "quarantined"),
        (7, "scored"),
    ]
    assert found.rows[0].why == "the recipe left it out"
    assert found.rows[6].why == "ValueError: six"
    assert found.rows[2].outputs == [{"a": 0.5, "b": 2.0}]


def test_a_recipe_over_whole_partitions_says_so(tmp_path: Path) -> None:
    data = newly_trained(tmp_path, features="test_preview:centred", columns=["a", "b"], row_wise=False)
    assert "needs whole partitions" in preview(data.dataset, data.model.uri, rows=3).note
    assert preview(small(tmp_path / "other").dataset, data.model.uri, rows=3).rows


def test_blocks_and_parquet(tmp_path: Path, data: Small) -> None:
    frame = pd.DataFrame(good_rows(50), columns=["id", "a", "b", "label"])
    frame.to_parquet(tmp_path / "x_1.parquet", row_group_size=7)
    found = preview(PartitionedDataset(f"{tmp_path}/x_{{n}}.parquet"), data.model.uri, rows=9)
    assert [row.inputs["id"] for row in found.rows] == [*range(9)]
    assert [row.row for row in found.rows] == [*range(9)]


def test_values_are_those_of_json_and_what_json_lacks_is_text(tmp_path: Path) -> None:
    day = pd.Timestamp("2026-04-01")
    columns = {"day": [day, day], "rich": [True, False], "a": [1.5, float("inf")], "n": [7, 8], "name": ["x", None]}
    pd.DataFrame(columns).to_parquet(tmp_path / "x_1.parquet")
    found = preview(f"{tmp_path}/x_{{n}}.parquet", None, features="test_preview:without_n", keys=["n"])
    first, second = (row.inputs for row in found.rows)
    assert first == {"day": "2026-04-01 00:00:00", "rich": True, "a": 1.5, "n": 7, "name": "x"}
    assert (second["a"], second["name"]) == ("inf", None)
    json.dumps(found.to_dict(), allow_nan=False)


class Watched(Csv):
    """Tells how many ranges a file was cut into, and which were read."""

    def cut(self, *arguments: Any) -> Any:
        source, ranges = super().cut(*arguments)
        SEEN["cut"] = len(ranges)
        return source, ranges

    def read(self, block: Block, *arguments: Any) -> Iterator[Batch]:
        SEEN[f"read {block.start}"] += 1
        return super().read(block, *arguments)


def test_a_few_rows_of_a_large_file_are_no_reason_to_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path / "site", "watched", GROUP, {".watched": f"{__name__}:Watched"})
    write_csv(tmp_path / "x_1.watched", good_rows(25_000))
    dataset = PartitionedDataset(f"{tmp_path}/x_{{n}}.watched")
    options: dict[str, Any] = {"columns": ["a", "b"], "output_types": {"a": "double", "b": "double"}, "keys": ["_row"]}
    SEEN.clear()
    found = preview(dataset, None, rows=5, features="test_preview:plain", **options)
    assert [row.inputs["_row"] for row in found.rows] == [*range(5)]
    assert SEEN["cut"] < 10
    assert len(SEEN) == 2  # one place of it


def test_rows_have_their_numbers_in_later_files_and_blocks_too(tmp_path: Path) -> None:
    for name, rows in (("a", 3), ("b", 4)):
        write_csv(tmp_path / f"x_1_{name}.csv", good_rows(rows))
    options: dict[str, Any] = {"columns": ["a", "b"], "output_types": {"a": "double", "b": "double"}, "keys": ["_row"]}
    dataset = PartitionedDataset(f"{tmp_path}/x_{{n}}_*.csv")
    found = preview(dataset, None, rows=6, features="test_preview:plain", **options)
    assert [(row.row, row.inputs["_row"]) for row in found.rows] == [(n, n) for n in range(6)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rows": 0}, InputError, "at least 1 row"),
        ({"partition": 9}, InputError, "no file for partition p=9"),
        ({"features": "test_preview:positive"}, InputError, "leave model and function out"),
        ({"model": None, "function": "test_preview:centred", "group_by": ["b"]}, RecipeError, "whole group"),
        ({"model": None, "features": "test_preview:nothing"}, RecipeError, "has no nothing"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(
    data: Small, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        preview(data.dataset, **{"model": data.model.uri, **options})


def test_a_missing_column_is_named(data: Small) -> None:
    write_csv(data.folder / "part_3.csv", [(1, 2)], header=("id", "a"))
    with pytest.raises(InputError, match=r"lacks the columns \['b'\]"):
        preview(data.dataset, data.model.uri, 3)
