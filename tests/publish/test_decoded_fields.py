"""A field of a hive folder has its decoded value in what is published, as in a recipe; keys stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from lakes import KINDS, lake, part_of
from publications import publish, staged, stamps

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets import folder, target_of
from airflow_batchscore.publish.targets.remote_folder import publish_remote
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

KEY = "p=K%25C3%25B6ln%252FMitte"


def _scored(folder: Path, value: str, rows: int = 2, dataset: str = "/in/p={p}/*.parquet", **other: Any) -> Manifest:
    given = {"partition": {"p": value}, "dataset": dataset, "digest": f"{value} {rows}", **other}
    return staged(folder / str(rows), value, part_of(0, rows), **given)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_the_column_of_a_file(tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"out.{ending}"
    manifests = [_scored(tmp_path, "K%C3%B6ln%2FMitte"), _scored(tmp_path, "Bonn")]
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    assert publish(manifests, output, 1).changes.added == [KEY, "p=Bonn"]
    assert sorted(read(output)["p"]) == ["Bonn", "Bonn", "Köln/Mitte", "Köln/Mitte"]
    assert publish(manifests[:1], output, 2).changes.unchanged == [KEY]
    assert publish([_scored(tmp_path, "Bonn", 3)], output, 3).changes.kept == [KEY]
    assert sorted(read(output)["p"]) == ["Bonn"] * 3 + ["Köln/Mitte"] * 2


def test_a_field_that_names_no_folder_of_hives_kind_stays_as_it_is(tmp_path: Path) -> None:
    publish([_scored(tmp_path, "100%25", dataset="/in/{p}.csv")], tmp_path / "out.parquet")
    assert set(pd.read_parquet(tmp_path / "out.parquet")["p"]) == {"100%25"}
    (stamp,) = stamps(tmp_path / "out.parquet").values()
    assert "decoded" not in stamp


def _by_column(output: str) -> dict[str, int]:
    frame = pads.dataset(output, partitioning="hive", exclude_invalid_files=True).to_table().to_pandas()
    return frame["p"].astype(str).value_counts().to_dict()


@pytest.mark.parametrize("where", ["disk", "store"])
def test_the_folder_of_a_partition(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output = str(tmp_path / "out")
    if where == "store":
        monkeypatch.setattr(folder, "publish_local", publish_remote)
    first = _scored(tmp_path, "K%C3%B6ln%2FMitte")
    assert publish([first, _scored(tmp_path, "Bonn")], output, 1).changes.added == [KEY, "p=Bonn"]
    assert _by_column(output) == {"Köln/Mitte": 2, "Bonn": 2}
    assert publish([first], output, 2).changes.unchanged == [KEY]
    assert publish([_scored(tmp_path, "K%C3%B6ln%2FMitte", 3)], output, 3).changes.replaced == [KEY]
    assert _by_column(output) == {"Köln/Mitte": 3, "Bonn": 2}
    assert target_of(Location(output)).published().keys() == {KEY, "p=Bonn"}
    with pytest.raises(OutputError, match=r"partitions p=K.*2FMitte and p=K.*2fMitte have the same values"):
        publish([_scored(tmp_path, "K%C3%B6ln%2fMitte")], output, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_column_of_a_table(tmp_path: Path, kind: str) -> None:
    with lake(kind, tmp_path / "lake") as there:

        def put(generation: int, *manifests: Manifest, **options: Any) -> Any:
            return publish(list(manifests), there.output, generation, table=there.table, **options).changes

        first, other = _scored(tmp_path, "K%C3%B6ln%2FMitte"), _scored(tmp_path, "Bonn")
        assert put(1, first, other).added == [KEY, "p=Bonn"]
        assert there.rows() == {"Köln/Mitte": 2, "Bonn": 2}
        assert put(2, first).unchanged == [KEY]
        assert put(3, _scored(tmp_path, "Bonn", 3)).kept == [KEY]
        there.append(pa.table({"p": ["Köln/Mitte"], "id": [9], "prediction": [0.5]}))
        published = target_of(Location(there.output), there.table).published()
        assert published is not None
        assert [stamp.manifest for stamp in published.values() if stamp.key == KEY] == [""], "others changed it"
        assert put(4, first).replaced == [KEY]
        assert there.rows() == {"Köln/Mitte": 2, "Bonn": 3}
        if kind == "delta":
            assert [unquote(Path(path).parent.name) for path in there.files()["Köln/Mitte"]] == ["p=K%C3%B6ln%2FMitte"]
        twice = _scored(tmp_path, "K%C3%B6ln%2fMitte")
        with pytest.raises(OutputError, match=r"partitions p=K.*2FMitte and p=K.*2fMitte have the same values"):
            put(5, twice)
        assert put(5, twice, replace_all=True).dropped == sorted([KEY, "p=Bonn"])
        assert there.rows() == {"Köln/Mitte": 2}
