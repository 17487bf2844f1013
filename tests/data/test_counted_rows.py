"""Which partitions there are is found by reading the columns that tell, and no more of them than are allowed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support import Wta

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.readiness import assess
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """60 rows in Germany, 30 in France, 8 nowhere, 2 that cannot be read."""
    rows = ["DE,2026-04-01"] * 60 + ["FR,2026-05-02 10:00"] * 30 + [",x"] * 8 + ["1,2,3"] * 2
    path = tmp_path / "games.csv"
    path.write_text("country,ts\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_values_are_found_with_their_share_of_the_file(file: Path) -> None:
    dataset = PartitionedDataset(f"{file}", partition_by="country")
    germany, france, nowhere = dataset.discover()
    assert nowhere.values == {"country": NO_VALUE}
    size = file.stat().st_size
    assert [p.size for p in (germany, france, nowhere)] == [size * 60 // 100, size * 30 // 100, size * 10 // 100]
    assert germany.stored == size
    assert dataset.find(["FR", "ES"])[1] == [{"country": "ES"}]
    with pytest.raises(InputError, match="no row of .*games.csv is in partition country=ES; there are 3, country=DE"):
        dataset.require(["ES"])


def test_several_fields_make_the_partitions_that_have_rows(file: Path) -> None:
    dataset = PartitionedDataset(f"{file}", partition_by=["month(ts)", "country"])
    assert [partition.key for partition in dataset.discover()] == [
        "ts_month=2026-04/country=DE",
        "ts_month=2026-05/country=FR",
        f"ts_month={NO_VALUE}/country={NO_VALUE}",
    ]


def test_buckets_need_no_reading(file: Path) -> None:
    dataset = PartitionedDataset(f"{file}", partition_by="hash(country) % 3")
    file.write_text("not what it was")
    partitions = dataset.discover()
    assert [partition.values["country_hash_3"] for partition in partitions] == ["0", "1", "2", NO_VALUE]
    assert [partition.size for partition in partitions] == [5, 5, 5, 0], "equal shares, as nobody has counted"
    file.unlink()
    assert dataset.discover() == []
    with pytest.raises(InputError, match="no file matches"):
        dataset.require()


def test_too_many_values_ask_for_buckets(file: Path) -> None:
    dataset = PartitionedDataset(f"{file}", partition_by="country", max_partitions=2)
    with pytest.raises(InputError, match=r'more than 2 partitions of .*partition_by="hash\(country\) % 100"'):
        dataset.discover()


def test_a_value_that_can_name_no_partition_asks_for_buckets(file: Path) -> None:
    file.write_text("country,ts\na/b,1\n")
    with pytest.raises(InputError, match=r"holds a '/'.*hash\(country\) % 10"):
        PartitionedDataset(f"{file}", partition_by="country").discover()


def test_a_sensor_looks_at_the_files_alone(file: Path) -> None:
    dataset = PartitionedDataset(f"{file}", partition_by="country")
    file.write_text("nothing that could be read")
    seen = assess(dataset, ["DE", "ES"], stable_for=None, now=0)
    assert seen.ready, "whether there are such rows, the plan says"
    assert seen.to_dict()["partitions"] == [{"country": "DE"}, {"country": "ES"}]
    assert seen.to_dict()["each"] == [[1, 26], [1, 26]]
    with pytest.raises(InputError, match="a sensor does not read them. Name the partitions"):
        assess(dataset, None, stable_for=None, now=0)
    buckets = PartitionedDataset(f"{file}", partition_by="country % 2")
    assert len(assess(buckets, None, stable_for=None, now=0).found) == 3
    file.unlink()
    assert assess(dataset, ["DE"], stable_for=None, now=0).missing == ["country=DE"]


def test_real_matches_are_divided_by_month(wta: Wta) -> None:
    path = f"{wta.folder}/wta_matches_2015.csv"
    months = PartitionedDataset(path, partition_by="month(tourney_date)").discover()
    plain = pd.read_csv(path)["tourney_date"].astype(str).str[:6].value_counts()
    found = {partition.values["tourney_date_month"].replace("-", ""): partition.share[0] for partition in months}
    assert found == plain.to_dict()
