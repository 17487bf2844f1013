"""Whatever a file holds, every row of it is scored, skipped or in quarantine, once."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import Small, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset

pytestmark = pytest.mark.unit

_number = itertools.count(1)
_TWO_LINES = '{id},{a},{b},"two\nlines, and ""quotes"""'
#: What a row may be, and what becomes of it where a quoted field may hold line ends.
_KINDS = {
    "{id},{a},{b},plain": "scored",
    _TWO_LINES: "scored",
    "{id},{a},{b},": "scored",
    '"{id}","{a}",{b},quoted': "scored",
    "{id},{a},,no b": "skipped",
    "{id},{a},NA,no b": "skipped",
    "{id},1e999x,{b},no number": "quarantined",
    "{id},{a},\x00,a NUL": "quarantined",
    "{id},{a}": "quarantined",
    "{id},{a},{b},,,": "quarantined",
    "{id},13,{b},predict refuses": "quarantined",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    from airflow_batchscore.training.train import TrainingJob, train

    made = small(tmp_path_factory.mktemp("properties"), features=lambda frame: frame[["a", "b"]].dropna(subset=["b"]))
    job = TrainingJob(made.dataset, [0], made.recipe, "strange_models:Picky", f"{made.folder}/picky")
    return Small(made.folder, train(job).ref, made.recipe)


def _quarantined(manifest: Any) -> pd.DataFrame:
    paths = [f"{manifest.folder}/{block.quarantine}" for block in manifest.blocks if block.quarantine]
    return pd.concat([pd.read_parquet(path) for path in paths]) if paths else pd.DataFrame({"row": []})


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=60),
    ending=st.sampled_from(["\n", "\r\n"]),
    last_ending=st.booleans(),
    mark=st.sampled_from(["", "\ufeff"]),
    order=st.permutations(["id", "a", "b", "name"]),
    block_rows=st.integers(1, 70),
    workers=st.integers(1, 3),
    joined=st.booleans(),
)
def test_every_row_of_a_csv_file_is_accounted_for(
    data: Small,
    kinds: list[str],
    ending: str,
    last_ending: bool,
    mark: str,
    order: list[str],
    block_rows: int,
    workers: int,
    joined: bool,
) -> None:
    if order != ["id", "a", "b", "name"]:  # columns may come in any order; then only rows that keep their fields
        kinds = [kind for kind in kinds if kind.count(",") == 3 and '""' not in kind] or ["{id},{a},{b},plain"]
    lines = []
    for place, kind in enumerate(kinds):
        line = kind.format(id=f"{place:03d}", a=place % 9, b=place % 5)
        if order != ["id", "a", "b", "name"]:
            cells = dict(zip(["id", "a", "b", "name"], line.split(","), strict=True))
            line = ",".join(cells[name] for name in order)
        lines.append(line)
    name = f"csv{next(_number)}"
    text = mark + ending.join([",".join(order), *lines]) + (ending if last_ending else "")
    Path(data.folder, f"part_{name}.csv").write_bytes(text.encode())
    dataset = PartitionedDataset(f"{data.folder}/part_{{p}}.csv", read_options={"newlines_in_values": joined})
    engine = LocalDask(workers=workers, processes=False)
    ((manifest, _),) = data.score(name, dataset=dataset, block_rows=block_rows, engine=engine)
    fates = ["quarantined" if kind == _TWO_LINES and not joined else _KINDS[kind] for kind in kinds]
    scored = [f"{n:03d}" for n, fate in enumerate(fates) if fate == "scored"]
    # Each line of a field that goes over two is a row of its own, unless lines may be joined.
    more = 0 if joined else kinds.count(_TWO_LINES)
    assert scores(manifest)["id"].tolist() == scored
    assert len(_quarantined(manifest)) == fates.count("quarantined") + more
    expected = (len(kinds) + more, len(scored), fates.count("skipped"), fates.count("quarantined") + more)
    assert manifest.account.astuple() == expected


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fates=st.lists(st.sampled_from(["scored", "skipped", "quarantined"]), min_size=1, max_size=80),
    group=st.integers(1, 90),
    block_rows=st.integers(1, 90),
)
def test_every_row_of_a_parquet_file_is_accounted_for(
    data: Small, fates: list[str], group: int, block_rows: int
) -> None:
    name = f"parquet{next(_number)}"
    columns = {
        "id": pa.array(range(len(fates))),
        "a": pa.array([13.0 if fate == "quarantined" else 1.0 for fate in fates]),
        "b": pa.array([None if fate == "skipped" else 2.0 for fate in fates], pa.float64()),
    }
    pq.write_table(pa.table(columns), Path(data.folder, f"part_{name}.parquet"), row_group_size=group)
    dataset = PartitionedDataset(f"{data.folder}/part_{{p}}.parquet")
    ((manifest, _),) = data.score(name, dataset=dataset, block_rows=block_rows)
    where = {fate: [n for n, each in enumerate(fates) if each == fate] for fate in ("scored", "skipped", "quarantined")}
    assert scores(manifest)["id"].tolist() == where["scored"]
    assert sorted(_quarantined(manifest).get("key_id", pd.Series(dtype=int)).astype(int)) == where["quarantined"]
    assert manifest.account.astuple() == (len(fates), *(len(rows) for rows in where.values()))
