"""Columns that are declared as times have the values of `pandas.to_datetime`, wherever a file is cut."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from one_csv_file import blocks_of, one_csv
from sklearn.tree import DecisionTreeClassifier
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe, score, train
from airflow_batchscore.data.blocks import read
from airflow_batchscore.data.formats.csv_times import Times
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

DAY, MOMENT = "%d.%m.%Y", "%Y-%m-%d %H:%M:%S.%f"


def _times(form: str, unit: str = "us", **options: Any) -> dict[str, Any]:
    return {"column_types": {"ts": f"timestamp[{unit}]"}, "date_format": form, **options}


def _read(dataset: PartitionedDataset, step: int | None, *, key: bool = False) -> tuple[pa.Table, list[Any]]:
    types = {"ts": dataset.column_types["ts"]}
    of_keys = {"id": None, **(types if key else {})}
    batches = [batch for block in blocks_of(dataset, step) for batch in read(dataset, block, types, of_keys)]
    tables = [
        pa.table({**dict(zip(b.table.column_names, b.table.columns, strict=True)), "id": b.keys["id"]}) for b in batches
    ]
    if key:
        assert all(batch.keys["ts"].equals(batch.table["ts"]) for batch in batches)
    return pa.concat_tables(tables), [bad for batch in batches for bad in batch.bad]


@pytest.mark.parametrize("unit", ["ns", "us", "s"])
def test_the_values_are_those_of_read_csv_with_parse_dates(tmp_path: Path, unit: str) -> None:
    days = ["31.01.2024", "1.2.2024", "", "NA", "29.02.2024", '"05.12.1999"', "22.09.1677", "10.04.2262"]
    text = "id,ts\n" + "".join(f"{row},{day}\n" for row, day in enumerate(days))
    expected = pd.read_csv(io.StringIO(text), parse_dates=["ts"], date_format=DAY)["ts"]
    dataset = one_csv(tmp_path, text, **_times(DAY, unit))
    for step in (None, 1, 9):
        table, bad = _read(dataset, step, key=True)
        assert not bad
        assert table.schema.field("ts").type == pa.timestamp(unit)
        assert table["ts"].to_pandas().astype(expected.dtype).equals(expected)


def test_what_pandas_does_not_read_so_sets_its_row_apart(tmp_path: Path) -> None:
    """And so does what it takes for the clock's time, what one version of it reads, and what `us` cannot hold."""
    chance = np.random.default_rng(0)
    good = ["2024-01-02 03:04:05.6", "2024-01-02 23:59:59.999999", ""]
    bad = ["2024-02-30 00:00:00.0", " 2024-01-02 03:04:05.6", "2024-01-02", "x", "now", "today", "nat", "NaT"]
    bad += ["1600-01-01 00:00:00.0", "9999-12-31 00:00:00.0", "2024-01-02 03:04:05.123456789"]
    for _ in range(3):
        cells = [str(cell) for cell in chance.permutation(good * 3 + bad)]
        text = "id,ts\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells))
        for step in (None, 30):
            table, apart = _read(one_csv(tmp_path, text, **_times(MOMENT)), step)
            assert sorted(row.raw["ts"] for row in apart) == sorted(bad)
            fits = pd.Series([cell for cell in cells if cell in good])
            assert table["ts"].to_pandas().equals(pd.to_datetime(fits, format=MOMENT).astype("datetime64[us]"))
            assert table["id"].to_pylist() == [str(row) for row, cell in enumerate(cells) if cell in good]
    assert f"column 'ts': expected a time like {MOMENT} between 1677-09-22 and 2262-04-11, found" in apart[0].message


def test_each_column_has_its_format(tmp_path: Path) -> None:
    options = {
        "column_types": {"a": "timestamp[s]", "b": "timestamp[us]", "id": "int64"},
        "date_format": {"a": DAY, "b": "%Y%m%dT%H%M"},
    }
    dataset = one_csv(tmp_path, "id,a,b\n1,02.01.2024,20240102T0304\n", **options)
    (batch,) = read(dataset, *blocks_of(dataset), dataset.column_types, {})
    assert [str(batch.table[name][0]) for name in ("a", "b")] == ["2024-01-02 00:00:00", "2024-01-02 03:04:00"]


def test_columns_without_any_time() -> None:
    for cells in ([], [None, None]):
        made, bad = Times({"ts": DAY}).read("ts", pa.array(cells, pa.string()), pa.timestamp("us"))
        assert (made.to_pylist(), bad) == (cells, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"date_format": DAY}, r"is for columns that are declared as times.*\{'day': 'timestamp\[us\]'\}"),
        (_times({"ts": DAY, "other": DAY}), "each of them needs one"),  # type: ignore[arg-type]
        (_times("dd.mm.yyyy"), "date_format='dd.mm.yyyy' must be a format such as"),
        (_times("%Y-%m-%d %z"), "those with a zone, are text"),
        (_times("ISO8601"), "must be a format"),
        (_times("%Y %d %Y"), "each once"),
        (_times(7), "date_format=7 must be a format"),  # type: ignore[arg-type]
        (
            {"column_types": {"ts": "timestamp[us]"}},
            r"is unknown; there are.* with date_format \(CSV\) timestamp\[us\]",
        ),
        (_times(DAY, "us, tz=UTC"), "is unknown"),
        (_times(DAY, "m"), "is unknown"),
    ],
)
def test_what_is_no_format_of_times(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PartitionedDataset("/data/{p}.csv", read_options=options)


def test_only_csv_has_it() -> None:
    with pytest.raises(InputError, match=r"'timestamp\[us\]', which is unknown"):
        PartitionedDataset("/data/{p}.jsonl", read_options=_times(DAY))


def test_a_zone_is_not_made_up(tmp_path: Path) -> None:
    """Of a dataset that may hold Parquet files, too."""
    types = {"column_types": {"ts": "timestamp[us]", "utc": "timestamp[us, tz=UTC]"}, "date_format": DAY}
    (tmp_path / "p=1").mkdir()
    (tmp_path / "p=1/x.csv").write_text("id,ts,utc\n1,02.01.2024,02.01.2024\n")
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/", read_options=types)
    with pytest.raises(InputError, match="tz=UTC.* is unknown"):
        next(iter(read(dataset, *blocks_of(dataset), dataset.column_types, {})))


def months(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"month": frame["ts"].dt.month, "weekday": frame["ts"].dt.weekday, "a": frame["a"]})


def test_times_reach_the_recipe_and_stay_keys(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    for partition in (1, 2):
        ts = pd.Timestamp("2023-01-01") + pd.to_timedelta(chance.integers(0, 700, 300), unit="D")
        rows = pd.DataFrame({"ts": ts.strftime(DAY), "a": chance.normal(size=300), "label": ts.month % 2})
        rows.to_csv(tmp_path / f"p_{partition}.csv", index=False)
    with (tmp_path / "p_2.csv").open("a") as file:
        file.write("31.02.2024,1.5,0\n")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv", read_options=_times(DAY))
    recipe = Recipe(features="test_csv_times:months", target="label", keys=["ts"], columns=["ts", "a"])
    made = train(dataset, [1], recipe, DecisionTreeClassifier(random_state=0), model_uri=f"{tmp_path}/model")
    engine = LocalDask(workers=1)
    run = score(dataset, made.ref.uri, [2], output_uri=f"{tmp_path}/out", engine=engine, max_quarantined=1)
    assert run.account.astuple() == (301, 300, 0, 1)
    raw = pd.read_csv(tmp_path / "p_2.csv").head(300)
    raw["ts"] = pd.to_datetime(raw["ts"], format=DAY)
    found = scores(run.manifests[0])
    assert found["ts"].tolist() == raw["ts"].tolist()
    first = pd.read_csv(tmp_path / "p_1.csv", parse_dates=["ts"], date_format=DAY)
    model = DecisionTreeClassifier(random_state=0).fit(months(first), first["label"])
    assert found["prediction"].tolist() == model.predict(months(raw)).tolist()
