"""A table on S3 is read with the connection of its dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lakes import KINDS, lake
from s3_server import emptied_moto, s3_options
from source_tables import games
from support import small

from airflow_batchscore import LocalDask, PartitionedDataset, score
from airflow_batchscore.data.storage import credentials

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    yield emptied_moto()
    credentials.forget("test")


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_on_s3_is_scored(server: str, tmp_path: Path, kind: str) -> None:
    credentials.register("test", s3_options(server))
    keys = {"access-key-id": "test-key", "secret-access-key": "test-secret", "region": "us-east-1", "endpoint": server}
    delta = {f"aws_{name.replace('-', '_')}": value for name, value in keys.items() if name != "endpoint"}
    delta |= {"aws_endpoint_url": server, "aws_allow_http": "true"}
    model = small(tmp_path / "model").model.uri
    iceberg = {f"s3.{name}": value for name, value in keys.items()}
    with lake(kind, tmp_path / "lake", f"s3://tennis/{kind} in/games", delta=delta, iceberg=iceberg) as there:
        schema = games(1).schema
        if kind == "delta":
            from deltalake import write_deltalake

            for number in (1, 2):
                write_deltalake(there.output, games(number), mode="append", partition_by=["day"], storage_options=delta)
        else:
            table = there.catalog().create_table("tennis.scores", schema, location=there.output)
            with table.update_spec() as spec:
                spec.add_identity("day")
            table.append(games(1))
            table.append(games(2))
        dataset = PartitionedDataset(there.output, table=there.table, partition_by="day", conn_id="test")
        run = score(dataset, model, output_uri=f"{tmp_path}/staged", engine=LocalDask(workers=1))
        assert run.account.astuple() == (20, 20, 0, 0)
        assert [one.key for one in dataset.discover()] == ["day=2026-04-01", "day=2026-04-02"]
        again = score(dataset, model, ["2026-04-02"], output_uri=f"{tmp_path}/staged", engine=LocalDask(workers=1))
        assert again.reused == {"day=2026-04-02": True}
