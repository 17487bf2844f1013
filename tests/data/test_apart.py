from __future__ import annotations

from pathlib import Path

import pytest

from airflow_batchscore.data.apart import require_apart, require_staging_apart, require_staging_outside
from airflow_batchscore.errors import OutputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("dataset", "output"),
    [
        ("/data/x_{year}.csv", "/data/x_2015.csv"),
        ("/data/x_{year}.csv", "/data/x_predictions.csv"),
        ("/data/x_{year}.csv", "/data/../data/x_2015.csv"),
        ("s3://b/year={year}/", "s3://b/year=2015/scores.parquet"),
        ("s3://b/year={year}/*.parquet", "s3a://b/year=2015/scores.parquet"),
        ("/data/year={year}/", "/data/year=1/p/x/part-0-00000.parquet"),
    ],
)
def test_an_output_that_the_data_set_would_take_for_data_is_refused(dataset: str, output: str) -> None:
    with pytest.raises(OutputError, match="it fits the dataset"):
        require_apart(dataset, [output])


@pytest.mark.parametrize(
    "output", ["/data/out.parquet", "/scores/x_2015.csv", "/data/x_2015/y.csv", "s3://data/x_1.csv"]
)
def test_others_are_fine(output: str) -> None:
    require_apart("/data/x_{year}.csv", [output])


def test_a_link_that_leads_to_data_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "x_1.csv").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "out.csv").symlink_to(tmp_path / "x_1.csv")
    with pytest.raises(OutputError):
        require_apart(f"{tmp_path}/x_{{year}}.csv", [f"{tmp_path}/elsewhere/out.csv"])


def test_a_relative_output_is_compared_with_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError):
        require_apart(f"{tmp_path}/x_{{year}}.csv", ["x_out.csv"])


def test_links_do_not_hide_what_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for dataset, output in [("data", "link"), ("link", "data")]:
        with pytest.raises(OutputError):
            require_apart(f"{tmp_path}/{dataset}/x_{{year}}.csv", [f"{tmp_path}/{output}/x_1.csv"])


@pytest.mark.parametrize("dataset", ["hive/day={day}/*.parquet", "hive/*.parquet", "hive/{day}/", "hive/"])
def test_scores_are_not_staged_among_the_data(dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="a folder of their own"):
        require_staging_outside(f"{tmp_path}/{dataset}", "hive")
    require_staging_outside(f"{tmp_path}/{dataset}", "staged")
    require_staging_outside(f"{tmp_path}/{dataset}", "hive/staged")


def test_beside_files_that_are_named_by_their_fields_there_is_room() -> None:
    require_staging_outside("s3://shop/orders_{year}.csv", "s3://shop")


@pytest.mark.parametrize(
    ("staging", "output", "where"),
    [
        ("/scores", "/scores/", "is the same folder"),
        ("/scores/staged", "/scores", "is a folder above it"),
        ("s3://b/scores/_staged", "s3://b/scores/", "is a folder above it"),
        ("scores", "../{}/scores", "is the same folder"),
    ],
)
def test_an_output_where_scores_are_staged_is_refused(staging: str, output: str, where: str) -> None:
    with pytest.raises(OutputError, match=where):
        require_staging_apart(staging, output.format(Path.cwd().name))


def test_folders_side_by_side_and_a_single_file_are_apart() -> None:
    require_staging_apart("/scores/staged", "/scores/staged2")
    require_staging_apart("/scores", "/scores/out")
    require_staging_apart("/scores.csv/staged", "/scores.csv", ["/scores.csv"])
