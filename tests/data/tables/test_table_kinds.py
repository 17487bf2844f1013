"""`Delta` and `Iceberg`, as results hold them."""

from __future__ import annotations

import json

import pytest

from airflow_batchscore import Delta, Iceberg
from airflow_batchscore.data.storage import credentials
from airflow_batchscore.data.tables.kinds import Table, table_from
from airflow_batchscore.errors import OutputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("table", [Delta(), Iceberg("tennis.scores"), Iceberg("a.b.scores", "lake", "lake_conn")])
def test_a_table_comes_back_from_json(table: Table) -> None:
    assert table_from(json.loads(json.dumps(table.to_dict()))) == table


def test_a_kind_of_another_package_is_not_known() -> None:
    assert table_from({"format": "hudi", "path": "x"}) is None
    assert table_from(None) is None


def test_workers_do_not_get_the_credentials_of_catalogs() -> None:
    table = Iceberg("tennis.scores", conn_id="lake_conn")
    credentials.register(table.registered_as, {"uri": "postgresql://user:secret@host/catalog"})
    try:
        assert credentials.options_of(table.registered_as)
        assert table.registered_as not in credentials.registered()
    finally:
        credentials.forget(table.registered_as)


@pytest.mark.parametrize("name", ["scores", "tennis.", ".scores", ""])
def test_a_name_has_a_namespace(name: str) -> None:
    with pytest.raises(OutputError, match="name the namespace and the table, such as 'tennis.scores'"):
        Iceberg(name)
