"""The options that commands share, and what they mean for `api`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from airflow_batchscore.cli import typed
from airflow_batchscore.cli.typed import CommandLineError
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.data.tables.kinds import Table
    from airflow_batchscore.engine.base import Engine
    from airflow_batchscore.model.trust import Trust

#: Holds the key that models are signed with.
SIGNING_KEY = "BATCHSCORE_SIGNING_KEY"
_TABLES = "delta, or iceberg:namespace.table@catalog"


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """The dataset and how it is read."""
    parser.add_argument("dataset", help="URI template of the data, such as 's3://shop/orders_{year}.csv'")
    group = parser.add_argument_group("the data")
    group.add_argument("--format", metavar="NAME", help="csv, parquet, jsonl, orc; by default from the suffix")
    group.add_argument(
        "--read-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="how files are read, such as delimiter=';' (again for each)",
    )
    group.add_argument(
        "--column-type",
        metavar="COLUMN=TYPE",
        action="append",
        default=[],
        help="type of a column: float64, int64, string, bool (again for each)",
    )
    group.add_argument(
        "--partition-by",
        metavar="TERM",
        action="append",
        help="divides the rows: country, 'user_id %% 10', 'month(day)' (again for each)",
    )
    group.add_argument("--data-table", metavar="KIND", help=f"the data is a table: {_TABLES}")
    group.add_argument("--data-version", metavar="V", help="of the table; by default the newest")
    group.add_argument("--data-conn-id", metavar="ID", help="connection of the data; by default --conn-id")
    group.add_argument("--data-catalog-conn-id", metavar="ID", help="connection of the Iceberg catalog of the data")


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """What the rows are scored with, and what of it is kept."""
    group = parser.add_argument_group("the model")
    group.add_argument("--model", metavar="URI", help="'<uri>@<alias>' or '<uri>/<version>'")
    group.add_argument(
        "--function", metavar="MODULE:NAME", help="a function DataFrame -> DataFrame, instead of a model"
    )
    group.add_argument("--method", action="append", help="predict (default), predict_proba, ...; several with commas")
    group.add_argument(
        "--keys",
        metavar="A,B",
        action="extend",
        type=typed.names,
        help="columns kept with each score; default: the recipe's",
    )
    group.add_argument(
        "--outputs", metavar="A,B", action="extend", type=typed.names, help="output columns to keep; default: all"
    )
    group.add_argument(
        "--flag", metavar="NAME=CONDITION", action="append", default=[], help="such as odd='decision_function<0'"
    )
    group.add_argument(
        "--columns",
        metavar="A,B",
        action="extend",
        type=typed.names,
        help="columns that the function sees; default: all",
    )
    group.add_argument(
        "--group-by", metavar="A,B", action="extend", type=typed.names, help="call the function for each group"
    )
    group.add_argument("--missing-model", choices=["fail", "skip"], default="fail", help="partitions without a model")
    group.add_argument("--allow-nan", action="store_true", help="accept NaN and infinite scores")
    add_trust(group)


def add_trust(group: argparse._ArgumentGroup) -> None:
    """Which models may be loaded."""
    group.add_argument(
        "--trusted", metavar="URI", action="append", help="load models below this folder alone (again for each)"
    )
    group.add_argument(
        "--trusted-type", metavar="TYPE", action="append", default=[], help="type that a skops file may hold"
    )
    group.add_argument(
        "--require-signature", action="store_true", help=f"load signed models alone; the key is in ${SIGNING_KEY}"
    )


def add_run(parser: argparse.ArgumentParser, *, publishes: bool = True) -> None:
    """Which partitions, and where scores go."""
    group = parser.add_argument_group("the run")
    group.add_argument(
        "--partitions",
        metavar="TEXT",
        action="append",
        help="such as 2015, 2000..2016 or a JSON list (again for more); default: all",
    )
    group.add_argument("--output", metavar="URI", required=True, help="folder where scores are staged")
    if publishes:
        group.add_argument("--publish-to", metavar="URI", help="a .parquet or .csv file, or a folder")
        group.add_argument("--table", metavar="KIND", help=f"the folder holds a table: {_TABLES}")
        group.add_argument("--catalog-conn-id", metavar="ID", help="Airflow connection of the Iceberg catalog")
    group.add_argument("--block-rows", metavar="N", type=typed.count, help="rows per block")
    group.add_argument(
        "--quarantine", metavar="N", type=typed.number, help="rows of a block, or their share, that may fail"
    )
    group.add_argument("--allow-empty", action="store_true", help="accept partitions without rows")
    group.add_argument("--force", action="store_true", help="score again what is committed")
    group.add_argument("--replay-quarantined", action="store_true", help="score blocks with bad rows again")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Where blocks are scored."""
    group = parser.add_argument_group("where it runs")
    group.add_argument("--workers", metavar="N", type=typed.count, help="threads or processes; default: one per core")
    group.add_argument("--memory-limit", metavar="SIZE", help="such as 4GiB")
    group.add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler, tcp://host:8786")
    group.add_argument("--python", metavar="PATH", help="an interpreter that has the model's libraries")
    group.add_argument("--environment", metavar="FILE", help="requirements to make such an interpreter with")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """What a run may be predicted to take."""
    group = parser.add_argument_group("the estimate")
    group.add_argument(
        "--price-per-core-hour", metavar="N", type=typed.amount, help="of a core that scores, in any currency"
    )
    group.add_argument("--max-cost", metavar="N", type=typed.amount, help="fail if it would cost more; needs a price")
    group.add_argument("--max-seconds", metavar="N", type=typed.amount, help="fail if it would take longer")
    group.add_argument(
        "--share", metavar="N", type=typed.part, help="of the run, that the sample may cost; default: 0.02"
    )


def dataset_of(given: argparse.Namespace) -> PartitionedDataset:
    """The dataset that the options describe. Raises InputError."""
    from airflow_batchscore.data.dataset import PartitionedDataset

    options: dict[str, Any] = {
        name: typed.value(text) for name, text in typed.pairs(given.read_option, "--read-option").items()
    }
    types = typed.pairs(given.column_type, "--column-type")
    if types:
        stated = options.get("column_types") or {}
        if not isinstance(stated, dict):
            raise CommandLineError(
                f"--read-option column_types={stated!r}: write each type as --column-type COLUMN=TYPE"
            )
        options["column_types"] = {**stated, **types}
    conn_id = given.data_conn_id or given.conn_id
    return PartitionedDataset(
        given.dataset,
        format=given.format,
        conn_id=conn_id,
        read_options=options,
        partition_by=given.partition_by,
        table=_table(given.data_table, given.data_catalog_conn_id, "--data-table", "--data-catalog-conn-id"),
        version=given.data_version,
    )


def output_of(given: argparse.Namespace) -> dict[str, Any]:
    """``publish_to`` and ``table``. Raises CommandLineError for a table that is not one."""
    table = _table(given.table, given.catalog_conn_id, "--table", "--catalog-conn-id")
    if table and given.publish_to is None:
        raise CommandLineError(f"--table {given.table}: nothing is published; add --publish-to, the table's folder")
    return {"publish_to": given.publish_to, "table": table}


def _table(kind: str | None, conn_id: str | None, option: str, conn_option: str) -> Table | None:
    """The table that an option names. Raises CommandLineError if there is none of that kind."""
    from airflow_batchscore.data.tables.kinds import Delta, Iceberg

    type_of, _, rest = (kind or "").partition(":")
    name, at, catalog = rest.partition("@")
    table: Table | None = None
    if kind == "delta":
        table = Delta()
    elif type_of == "iceberg" and name and bool(at) == bool(catalog):
        table = Iceberg(name, catalog or "default", conn_id)
    elif kind is not None:
        raise CommandLineError(f"{option} {kind!r}: write {_TABLES}")
    if conn_id is not None and not isinstance(table, Iceberg):
        raise CommandLineError(f"{conn_option} is for {option} iceberg:namespace.table@catalog")
    return table


def score_options(given: argparse.Namespace) -> dict[str, Any]:
    """The `ScoreOptions` of a command; what was left out keeps its default."""
    from airflow_batchscore.plan.policy import ModelPolicy

    options = {
        "method": ",".join(given.method or ["predict"]),
        "keys": given.keys,
        "outputs": given.outputs,
        "flags": typed.flags(given.flag) or None,
        "model_policy": ModelPolicy(missing="skip") if given.missing_model == "skip" else None,
        "function": given.function,
        "columns": given.columns,
        "group_by": given.group_by or (),
        "allow_nan": given.allow_nan,
        "conn_id": given.conn_id,
        "trust": trust_of(given),
    }
    more = ("block_rows", "quarantine", "allow_empty", "force", "replay_quarantined")
    set_there = {name: getattr(given, name, None) for name in more}
    return options | {name: value for name, value in set_there.items() if value is not None and value is not False}


def trust_of(given: argparse.Namespace) -> Trust | None:
    """The conditions that a model must meet; None if there are none."""
    from airflow_batchscore.api.reach import usable
    from airflow_batchscore.data.storage import Location
    from airflow_batchscore.model.trust import Trust

    key = os.environ.get(SIGNING_KEY)
    if given.require_signature and not key:
        raise InputError(f"--require-signature needs the key: put it into the environment as {SIGNING_KEY}")
    if not (given.trusted or given.trusted_type or key):
        return None
    prefixes = tuple(usable(Location(uri, given.conn_id)) for uri in given.trusted) if given.trusted else None
    return Trust(prefixes, key.encode() if key else None, given.require_signature, tuple(given.trusted_type))


def engine_of(given: argparse.Namespace) -> Engine:
    """The engine that the options describe. Raises CommandLineError for a contradiction."""
    from airflow_batchscore.engine.dask import DaskCluster
    from airflow_batchscore.engine.local import LocalDask

    own = {name: getattr(given, name) for name in ("workers", "memory_limit", "python", "environment")}
    own = {name: value for name, value in own.items() if value is not None}
    if given.dask is None:
        return LocalDask(**own)
    if own:
        raise CommandLineError(f"--dask has its own workers: leave out --{', --'.join(own).replace('_', '-')}")
    return DaskCluster(address=given.dask)
