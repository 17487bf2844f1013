from __future__ import annotations

from pathlib import Path

import pytest

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.readiness import assess
from airflow_batchscore.data.request import parse_request
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    for name in ("DE/2020", "DE/2021", "FR/2020"):
        file = tmp_path / f"{name}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text("a\n1\n")
    return PartitionedDataset(f"{tmp_path}/{{country}}/{{year}}.csv")


def test_each_partition_of_a_range_is_required_and_a_filter_takes_what_there_is(dataset: PartitionedDataset) -> None:
    assert [partition.key for partition in dataset.require("country=DE/year=2020..2021, country=*/year=2020")] == [
        "country=DE/year=2020",
        "country=DE/year=2021",
        "country=FR/year=2020",
    ]
    with pytest.raises(InputError, match=r"no file for partition country=FR/year=2021 \("):
        dataset.require("country=DE,FR/year=2020..2021")
    with pytest.raises(InputError, match=r"no partition fits 'country=I\*', 'year=1999'; there are 3, country=DE"):
        dataset.require("country=I*, year=1999, country=DE")


def test_a_wait_for_a_wildcard_ends_with_the_first_that_fits(dataset: PartitionedDataset) -> None:
    def look(request: str) -> tuple[bool, str]:
        seen = assess(dataset, request, stable_for=None, now=0)
        return seen.ready, seen.describe()

    assert look("country=I*, country=DE") == (False, "2 partitions ready; 1 not there: country=I*")
    file = Path(dataset.uri.format(country="IT", year="2020"))
    file.parent.mkdir()
    file.write_text("a\n1\n")
    assert look("country=I*, country=DE") == (True, "3 partitions ready")
    ready, what = look("country=IT/year=2020..2021")
    assert (ready, what) == (False, "1 partition ready; 1 not there: country=IT/year=2021")


def test_what_two_filters_take_is_taken_once_and_names_are_named_once(dataset: PartitionedDataset) -> None:
    found, missing = dataset.find("country=DE, year=2020, country=DE/year=2021")
    assert ([partition.values["country"] for partition in found], missing) == (["DE", "DE", "FR"], [])
    with pytest.raises(InputError, match="more than once: country=DE/year=2021; name each once"):
        dataset.find("country=DE/year=2021, country=DE/year=2020..2021")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["year=0..99998"] * 40, "names 1,099,989 partitions, of which one request may name 1,000,000"),
        (["country=a/year=0..9"] * 40_000, "names 100,010 partitions, of which"),
        ([f"country={n}*" for n in range(101)], r"too many wildcards, .* for 100,000 partitions: 100 are the most"),
        ([f"year={n}" for n in range(101)], "or texts without all fields, for 100,000 partitions: 100 are"),
    ],
)
def test_what_all_items_ask_for_is_limited_and_not_each_alone(items: list[str], message: str) -> None:
    existing = [{"country": "DE", "year": str(n)} for n in range(100_000)]
    with pytest.raises(InputError, match=message):
        parse_request(items, ["country", "year"], existing=existing)


def test_usual_requests_are_far_from_the_limits() -> None:
    existing = [{"device": str(n), "day": f"2026-{m:02}-01"} for n in range(500) for m in range(1, 13)]
    devices = parse_request("device=" + ",".join(map(str, range(500))), ["device", "day"], existing=existing)
    assert devices == existing
    assert len(parse_request(["day=2026-*"] * 300, ["device", "day"], existing=existing) or []) == 6000


def test_days_of_a_compact_form_follow_the_files(tmp_path: Path) -> None:
    dataset = PartitionedDataset(f"{tmp_path}/{{day}}.csv")
    for day in ("20260130", "20260131", "20260201"):
        (tmp_path / f"{day}.csv").write_text("a\n1\n")
    assert len(dataset.require("20260130..20260201")) == 3
    with pytest.raises(InputError, match="there is no day 20260231"):
        dataset.require("20260130..20260231")
    (tmp_path / "20260199.csv").write_text("a\n1\n")
    assert len(dataset.find("20260130..20260201")[1]) == 68
