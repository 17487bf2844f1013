"""What every format promises, in real files: the built-in ones, compressed or not, and one of another package."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import packages
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from s3_server import emptied_moto, s3_client, s3_options
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import cut, read, require_columns
from airflow_batchscore.data.formats import registry
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.parquet_format import Parquet
from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.data.inferred_types import infer_types, reading_types
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.data.storage import credentials
from airflow_batchscore.errors import InputChangedError, InputError
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

SCHEMA = pa.schema(
    [("id", pa.string()), ("a", pa.float64()), ("b", pa.int64()), ("s", pa.string()), ("flag", pa.bool_())]
)
TYPES = {"id": "string", "a": "float64", "b": "int64", "s": "string", "flag": "bool"}
Row = dict[str, Any]


def _row(n: int, **other: Any) -> Row:
    """A row whose key begins with zeros, some of whose values are missing, and that no other row equals."""
    text = {0: 'é, "quoted"', 1: None}.get(n % 5, f"text {n}")
    values = {"id": f"00{n}", "a": None if n % 7 == 3 else n / 4, "b": n % 11, "s": text, "flag": n % 3 == 0}
    return {**values, **other}


ROWS = [_row(n) for n in range(600)]


def _csv(path: Path, rows: list[Row]) -> bytes:
    return pd.DataFrame(rows, columns=SCHEMA.names).to_csv(index=False, lineterminator="\n").encode()


def _jsonl(path: Path, rows: list[Row]) -> bytes:
    """A missing value is null in one row and left out in the next."""
    kept = [{k: v for k, v in row.items() if v is not None or n % 2} for n, row in enumerate(rows)]
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in kept)


def _table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def _parquet(path: Path, rows: list[Row]) -> bytes:
    pq.write_table(_table(rows), path, row_group_size=100)
    return path.read_bytes()


def _orc(path: Path, rows: list[Row]) -> bytes:
    with pa.orc.ORCWriter(path, stripe_size=1024, batch_size=100) as writer:
        writer.write(_table(rows))
    return path.read_bytes()


def _feather(path: Path, rows: list[Row]) -> bytes:
    pa.feather.write_feather(_table(rows), str(path), chunksize=100)
    return path.read_bytes()


def _zst(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


class Careless(Parquet):
    """Loses every second block."""

    def read(self, block: Block, *arguments: Any) -> Iterator[Batch]:
        return iter(()) if block.index % 2 else super().read(block, *arguments)


WRITERS: dict[str, Callable[[Path, list[Row]], bytes]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
    ".orc": _orc,
    ".feather": _feather,
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": _zst,
}
PACKED = [f"{suffix}{packed}" for suffix in (".csv", ".jsonl") for packed in PACKERS]
ALL = [*WRITERS, *PACKED]


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of an S3 server, known as the connection ``formats``."""
    endpoint = emptied_moto()
    credentials.register("formats", s3_options(endpoint))
    yield endpoint
    credentials.forget("formats")


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that adds ``feather``."""
    points = {".feather": "feather_format:Feather", ".careless": f"{__name__}:Careless"}
    packages.install(monkeypatch, tmp_path / "site", "feather-format", registry.GROUP, points)


def _dataset(folder: Path, suffix: str, rows: list[Row] = ROWS, partition: int = 1) -> PartitionedDataset:
    folder.mkdir(exist_ok=True)
    path = folder / f"part_{partition}{suffix}"
    pack = PACKERS.get(path.suffix)
    data = WRITERS[path.with_suffix("").suffix if pack else suffix](path, rows)
    path.write_bytes(pack(data) if pack else data)
    return PartitionedDataset(f"{folder}/part_{{p}}{suffix}")


@pytest.mark.parametrize("suffix", [*WRITERS, ".jsonl.xz"])
def test_objects_in_a_store_are_read_like_files(tmp_path: Path, suffix: str, store: str) -> None:
    local = _dataset(tmp_path / "data", suffix)
    s3_client(store).upload_file(f"{tmp_path}/data/part_1{suffix}", "tennis", f"data/part_1{suffix}")
    remote = PartitionedDataset(f"s3://tennis/data/part_{{p}}{suffix}", conn_id="formats")

    def rows(dataset: PartitionedDataset) -> pa.Table:
        tables = [batch.table for block in _cut(dataset) for batch in read(dataset, block, dict(TYPES))]
        return pa.concat_tables(tables)

    assert rows(remote) == rows(local)
    assert infer_types(remote, remote.require(["1"]), None) == infer_types(local, local.require(["1"]), None)


def _cut(dataset: PartitionedDataset, **options: Any) -> list[Block]:
    (partition,) = dataset.require(["1"])
    return cut(dataset, dataset.pin(partition), **{"block_rows": 50, "columns": list(TYPES), **options})


@pytest.mark.parametrize("suffix", ALL)
def test_every_row_is_in_one_block_and_keeps_its_key(tmp_path: Path, suffix: str) -> None:
    dataset = _dataset(tmp_path / "data", suffix)
    blocks = _cut(dataset, keys=["id"])
    assert (len(blocks) == 1) == (suffix in PACKED) == blocks[0].source.is_stream
    ids: list[str] = []
    for block in blocks:
        rows = 0
        for batch in read(dataset, block, {"a": "float64"}, {"id": None}):
            assert batch.positions.tolist() == list(range(rows, rows + batch.table.num_rows))
            rows += batch.rows_read
            ids += batch.keys["id"].to_pylist()
    assert ids == [row["id"] for row in ROWS]
    assert blocks[0].source.rows in (None, len(ROWS))
    assert blocks[0].source.columns == tuple(SCHEMA.names)
    assert layout_from_json(json.loads(json.dumps(layout_to_json(blocks)))) == blocks


@pytest.mark.parametrize("suffix", ALL)
def test_blocks_may_be_read_in_any_order(tmp_path: Path, suffix: str) -> None:
    dataset = _dataset(tmp_path / "data", suffix)
    blocks = _cut(dataset)

    def ids(block: Block) -> list[str]:
        return [n for batch in read(dataset, block, {}, {"id": None}) for n in batch.keys["id"].to_pylist()]

    backwards = [ids(block) for block in reversed(blocks)]
    assert [n for some in reversed(backwards) for n in some] == [row["id"] for row in ROWS]


@pytest.mark.parametrize("suffix", ALL)
def test_a_recipe_gets_the_same_frame_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    dataset = _dataset(tmp_path / "data", suffix)
    found = infer_types(dataset, dataset.require(), None, ["b"])
    assert found == {**TYPES, "id": "string" if suffix not in (".csv", *PACKED[:4]) else "int64"}
    types = reading_types({}, {**found, "id": "string"}, list(TYPES))
    tables = [batch.table for block in _cut(dataset) for batch in read(dataset, block, types)]  # all held at once
    frame = to_frame(pa.concat_tables(tables))
    expected = to_frame(_table(ROWS)).astype({"b": "float64"})
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize("suffix", ALL)
def test_another_file_of_that_name_is_refused(tmp_path: Path, suffix: str) -> None:
    dataset = _dataset(tmp_path / "data", suffix)
    block = _cut(dataset)[0]
    _dataset(tmp_path / "data", suffix, [_row(n) for n in range(5, 300)])
    with pytest.raises(InputChangedError, match=f"part_1{suffix} changed since"):
        list(read(dataset, block, {"a": "float64"}))


@pytest.mark.parametrize("suffix", [".parquet", ".orc", *PACKED])
def test_half_a_file_is_an_error_that_names_it(tmp_path: Path, suffix: str) -> None:
    dataset = _dataset(tmp_path / "data", suffix, ROWS * 20)
    path = tmp_path / "data" / f"part_1{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=f"part_1{suffix}.* cannot be (read|unpacked)"):
        [list(read(dataset, block, {"a": "float64"})) for block in _cut(dataset)]


@pytest.mark.parametrize("suffix", ALL)
def test_a_column_that_the_file_lacks_is_named(tmp_path: Path, suffix: str) -> None:
    blocks = _cut(_dataset(tmp_path / "data", suffix), columns=["a", "z"])
    with pytest.raises(InputError, match=rf"part_1{suffix} lacks the columns \['z'\]\. .* It has id, a, b, s, flag"):
        require_columns(blocks[0].source, ["a", "z"], partition_key="p=1")


def _score(folder: Path, suffix: str, rows: list[Row], **options: Any) -> Manifest:
    labelled = [_row(n, a=n % 9 / 2, b=n % 7, flag=n % 9 > n % 7) for n in range(200)]
    dataset = _dataset(folder, suffix, labelled, partition=0)
    recipe = Recipe(target="flag", keys=["id", "s"], columns=["a", "b"])
    model = train(TrainingJob(dataset, [0], recipe, "sklearn.tree:DecisionTreeClassifier", f"{folder}/model"))
    _dataset(folder, suffix, rows)
    job = ScoringJob(
        dataset=dataset,
        output_uri=f"{folder}/staged",
        scored_with=OneModel(model.ref),
        spec=OutputSpec.of("predict"),
        **options,
    )
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=2))
    return manifest


@pytest.mark.parametrize("suffix", ALL)
def test_a_partition_is_scored_with_every_row_accounted_for(tmp_path: Path, suffix: str) -> None:
    rows = [_row(n, b=2**53 + 1) if n == 345 else _row(n) for n in range(600)]  # not exact as a float
    manifest = _score(tmp_path / "data", suffix, rows, block_rows=50)
    assert manifest.account == Account(600, 599, 0, 1)
    result = scores(manifest)
    assert result["id"].tolist() == [row["id"] for row in rows if row["id"] != "00345"]
    texts = [row["s"] for row in rows if row["id"] != "00345"]
    missing = "" if ".csv" in suffix else None  # CSV cannot tell them apart
    assert result["s"].astype(object).where(result["s"].notna(), None).tolist() == [t or missing for t in texts]
    names = [block.quarantine for block in manifest.blocks if block.quarantine]
    (bad,) = [row for name in names for row in pd.read_parquet(f"{manifest.folder}/{name}").to_dict("records")]
    assert (bad["p"], bad["key_id"], bad["error"]) == ("1", "00345", "ParseError")
    assert "column 'b': 9007199254740993 is not exact as a float" in bad["message"]


def test_rows_that_a_format_loses_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WRITERS, ".careless", _parquet)
    with pytest.raises(InputError, match="partition p=1: its files state 600 rows, but 300 were read"):
        _score(tmp_path / "data", ".careless", ROWS, block_rows=100)


@pytest.mark.parametrize("suffix", ALL)
def test_a_partition_without_rows_is_refused_unless_allowed(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=r"partition p=1: .* no rows.*allow_empty=True"):
        _score(tmp_path / "data", suffix, [])
    manifest = _score(tmp_path / "data", suffix, [], allow_empty=True)
    assert manifest.account == Account()
    assert scores(manifest).columns.tolist() == ["id", "s", "prediction"]
