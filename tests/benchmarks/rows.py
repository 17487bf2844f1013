"""What is compared with what: the tables of the benchmark, and the commands of their rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

OURS = "airflow_batchscore"
LIMIT = "limit"
ACCELERATED = f"{OURS}, accelerated"
POLARS, POLARS_NARROW = "Polars", "Polars, one thread per batch"


@dataclass(frozen=True)
class Row:
    """A command of a table.

    Attributes:
        command: script and arguments; ``{work}`` is the workload.
        module: what it imports; without it the row is skipped, as without its environment.
        within: how far its predictions may lie from the reference's, if more than a millionth of the value.
        prepare: a command to run once before the rounds, whose time does not count.
        environment: folder of the virtual environment, if it is not the benchmark's own.
    """

    name: str
    command: str
    module: str = "pyarrow"
    within: float | None = None
    prepare: str = ""
    environment: str = ""


@dataclass(frozen=True)
class Table:
    """Rows that take turns, each compared with the first one.

    Attributes:
        key: its name in results and claims.
        work: the workload.
        checked: the predictions of all rows are compared with the first one's.
        rounds: the most there are.
    """

    key: str
    title: str
    work: str
    rows: tuple[Row, ...]
    checked: bool = True
    rounds: int = 5


def _ours(name: str, arguments: str, **more: object) -> Row:
    flags = " accelerated" if "accelerated" in arguments else ""
    row = Row(name, f"engine.py {{work}} {arguments}", "distributed", prepare=f"engine.py {{work}} auto{flags} prepare")
    return replace(row, **more)


_LIMIT = Row(LIMIT, "limit.py {work} 2t")
_LIMIT_PRELOADED = Row(LIMIT, "limit.py {work} 2t preloaded")
_OURS = _ours(OURS, "auto")
_PROCESSES = _ours(f"{OURS}, processes", "processes")
# The compiled model adds the trees' answers in another order and precision.
_ACCELERATED = _ours(ACCELERATED, "auto accelerated", within=1e-6)
_POLARS = Row(POLARS, "peers.py polars {work}", "polars")
_NARROW = Row(POLARS_NARROW, "peers.py polars_narrow {work}", "polars")
_DUCKDB = Row("DuckDB", "peers.py duckdb {work}", "duckdb")
_DAFT = Row("Daft", "peers.py daft {work}", environment=".bench-daft-venv")
_PANDAS = Row("plain pandas", "peers.py pandas {work}", "pandas")
_LAZY = Row("ParallelPostFit, lazy", "peers_dask.py lazy {work}", "dask_ml")
_GATHERED = Row("ParallelPostFit, gathered", "peers_dask.py gathered {work}", "dask_ml")
_SPARK = Row("Spark mapInPandas", "peers_spark.py mapinpandas {work}", "pyspark")
_RAY = Row("Ray Data", "peers_ray.py actors {work}", "ray")
_PEERS = (_POLARS, _NARROW, _DUCKDB, _DAFT, _PANDAS, _LAZY, _SPARK, _RAY)

_POOL = _ours("bare thread pool", "pool")
_POOL_PRELOADED = _ours("bare thread pool", "pool preloaded")
_PRELOADED = _ours(OURS, "auto preloaded")
_ONE = _ours("one partition", "auto")
_PACK = _ours("64 partitions", "auto pack")
_TO_FILE = _ours("to one file", "auto to-file")
_TO_FOLDER = _ours("to a folder", "auto pack to-folder")


def _cluster(work: str, startup: str) -> tuple[Table, Table]:
    return (
        Table("cluster", "A LocalCluster against a bare thread pool, start-up included", work, (_POOL, _OURS)),
        Table("startup", "The same on few rows, imports preloaded", startup, (_POOL_PRELOADED, _PRELOADED)),
    )


def _task(work: str) -> Table:
    return Table(
        f"{work}-task",
        f"{work} as a task has it that is forked from a process with all imports: only `task` counts",
        work,
        (_LIMIT_PRELOADED, _PRELOADED),
    )


def _packs(work: str) -> Table:
    return Table(
        "packs", "A pack of 64 partitions of one block against the same rows as one partition", work, (_ONE, _PACK)
    )


def _publication(work: str) -> Table:
    return Table(
        "publication", "Publication against the scoring before it", work, (_TO_FILE, _TO_FOLDER), checked=False
    )


QUICK = (
    Table("w5-2015", "A year of tennis matches", "w5-2015", (_LIMIT, _OURS, _POLARS, _PANDAS)),
    Table("w1q", "A million rows, logistic regression", "w1q", (_LIMIT, _OURS, *_PEERS, _GATHERED)),
    Table("w3q", "200,000 rows, histogram gradient boosting", "w3q", (_LIMIT, _OURS, _ACCELERATED, _POLARS, _NARROW)),
    _task("w1q"),
    _packs("w1pq"),
    *_cluster("w1q", "w1q"),
    _publication("w1q"),
)
FULL = (
    Table("w1", "20 million rows, logistic regression", "w1", (_LIMIT, _OURS, _PROCESSES, *_PEERS, _GATHERED)),
    Table("w2", "2 million rows, random forest of 100 trees", "w2", (_LIMIT, _OURS, _ACCELERATED, *_PEERS)),
    Table("w3h", "5 million rows, histogram gradient boosting", "w3h", (_LIMIT, _OURS, _ACCELERATED, *_PEERS)),
    Table("w3x", "5 million rows, XGBoost of 200 trees", "w3x", (_LIMIT, _OURS, _ACCELERATED, *_PEERS)),
    Table(
        "w4",
        "3 million rows of 49 columns, two of them needed, a pandas function as recipe",
        "w4",
        (_LIMIT, _OURS, *_PEERS, _GATHERED),
    ),
    Table("w1x10", "200 million rows: the files of w1 ten times", "w1x10", (_LIMIT, _OURS), rounds=3),
    _task("w1"),
    _task("w4"),
    _packs("w1p"),
    *_cluster("w1", "w1q"),
    _publication("w1"),
)
#: Run beside other rows in the quick form too, so that neither stops working unseen; the others take one turn there.
CLOSE = {
    LIMIT,
    OURS,
    POLARS,
    ACCELERATED,
    "bare thread pool",
    "one partition",
    "64 partitions",
    "to one file",
    "to a folder",
}
