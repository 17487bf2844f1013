"""Functions over the rows of a partition: what they return is matched to its rows, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from applied import ROWS, apply, site_means
from support import scores

from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.quality.accounting import Account

pytestmark = pytest.mark.unit


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    """Leaves rows without a value out."""
    return (rows[["value"]] * 2).dropna()


def spread(rows: pd.DataFrame) -> pd.DataFrame:
    """Makes as many rows of each as its id modulo 3 says."""
    return pd.DataFrame({"copy": rows["id"]}).loc[rows.index.repeat((rows["id"] % 3).astype(int))]


def test_rows_are_mapped_and_those_left_out_are_skipped(tmp_path: Path, frame: pd.DataFrame) -> None:
    manifest = apply(tmp_path, doubled, columns=("value",))
    assert len(manifest.blocks) > 5
    kept = frame.dropna(subset=["value"])
    assert manifest.account == Account(ROWS, len(kept), ROWS - len(kept), 0)
    found = scores(manifest)
    assert found["id"].tolist() == kept["id"].tolist()
    np.testing.assert_allclose(found["value"], kept["value"] * 2)
    assert manifest.schema == {"id": "int64", "value": "double"}
    assert manifest.model is None
    assert audit([{"p": "1"}], [manifest]).problems == []


def test_text_is_written_as_text_whichever_type_pandas_keeps_it_in(tmp_path: Path, frame: pd.DataFrame) -> None:
    manifest = apply(tmp_path, lambda rows: pd.DataFrame({"text": rows["id"].astype("string[pyarrow]")}))
    parts = [f"{manifest.folder}/{block.part}" for block in manifest.blocks]
    assert {str(pq.read_schema(part).field("text").type) for part in parts} == {"string"}
    assert list(scores(manifest)["text"]) == [str(number) for number in range(ROWS)]


def test_a_key_whose_first_rows_look_like_numbers_may_be_text(tmp_path: Path) -> None:
    rows = [f"{place},{place}" for place in range(1500)] + [f"x{place},{place}" for place in range(1500)]
    (tmp_path / "part_1.csv").write_text("\n".join(["id,value", *rows]) + "\n")
    manifest = apply(tmp_path, lambda rows: rows[["value"]], columns=("value",), read_options={})
    assert manifest.account == Account(3000, 3000, 0, 0)
    assert scores(manifest)["id"].tolist() == [row.partition(",")[0] for row in rows]


def test_a_row_may_become_several(tmp_path: Path, frame: pd.DataFrame) -> None:
    manifest = apply(tmp_path, spread)
    found = scores(manifest)
    assert found["id"].tolist() == [n for n in range(ROWS) for _ in range(n % 3)]
    assert manifest.account == Account(ROWS, ROWS * 2 // 3, ROWS // 3, 0)
    assert manifest.rows == len(found) == ROWS
    assert audit([{"p": "1"}], [manifest]).problems == []


def test_a_row_whose_value_depends_on_what_other_rows_lack_is_refused_where_it_first_shows(tmp_path: Path) -> None:
    """Whole numbers of a block are floats where one is missing, so that ``astype(str)`` gives "2" or "2.0"."""

    def texts(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"text": rows["site"].astype(str)})

    rows = [f"{n},{n % 7},1" for n in range(2000)]
    (tmp_path / "part_1.csv").write_text("\n".join(["id,site,value", *rows]))
    assert scores(apply(tmp_path, texts))["text"].tolist() == [str(n % 7) for n in range(2000)]
    rows[1900] = "1900,,1"
    (tmp_path / "part_1.csv").write_text("\n".join(["id,site,value", *rows]))
    with pytest.raises(RecipeError, match=r"p=1, block.*does not look at each row alone.*'text'"):
        apply(tmp_path, texts)


def total_of_all(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sum(axis=1).to_frame("total")


def test_other_columns_for_a_function_are_other_scores(tmp_path: Path) -> None:
    (tmp_path / "part_1.csv").write_text("id,a,b\n1,1,10\n2,2,20\n")
    for columns, expected in ((("a",), [1, 2]), (("a", "b"), [11, 22])):
        found = apply(tmp_path, total_of_all, columns=columns, read_options={})
        assert scores(found)["total"].tolist() == expected


def test_rows_that_make_a_function_raise_are_found_one_by_one(tmp_path: Path, frame: pd.DataFrame) -> None:
    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if rows["id"].isin([70, 2071]).any():
            raise ValueError("not these")
        return rows[["value"]]

    manifest = apply(tmp_path, picky, output_types={"value": "double"})
    assert manifest.account == Account(ROWS, ROWS - 2, 0, 2)
    assert set(range(ROWS)) - set(scores(manifest)["id"]) == {70, 2071}


def test_other_code_is_another_identity_and_the_same_is_reused(tmp_path: Path, frame: pd.DataFrame) -> None:
    first = apply(tmp_path, doubled)
    assert apply(tmp_path, doubled).uri == first.uri
    assert apply(tmp_path, lambda rows: rows[["value"]] * 2).identity != first.identity
    assert apply(tmp_path, site_means, group_by=("site",), keys=None).identity != first.identity


def _types(**types: str) -> dict[str, Any]:
    return {"output_types": types}


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda rows: 3, {}, "returned int, which does not say which row each value belongs to"),
        (lambda rows: rows[["value"]].dropna().reset_index(drop=True), _types(value="double"), "lost the index"),
        (lambda rows: rows[["value"]].set_index(rows["id"] * 10), {}, "lost the index"),
        (lambda rows: rows[["value"]].fillna(rows["value"].mean()), {}, "does not look at each row alone"),
        (lambda rows: rows[["value"]].rank(), _types(value="double"), "does not look at each row alone"),
        (lambda rows: rows[["value"]].astype(str), _types(value="double"), "'value' does not fit double"),
        (site_means, {"group_by": ("site",), "keys": None, "row_wise": False}, "group_by gives .* whole groups"),
        (lambda rows: rows[["no"]], {}, "raised KeyError.*when it was tried on the first .*output_types"),
        (lambda rows: rows[["value"]].head(0), {}, "gave no values in .*output_types"),
        (lambda rows: rows[["value"]], _types(value="number"), "has the type 'number'; columns can be"),
        (lambda rows: rows[["value"]], _types(other="double"), "without 'other'; it must give the same"),
        (lambda rows: rows[["value"]].assign(value="x"), _types(value="double"), "'value' does not fit double"),
        (doubled, {"keys": ("nobody",)}, r"lacks the columns \['nobody'\]"),
        (site_means, {"group_by": ("site",)}, r"with group_by the keys are the columns \['site'\]"),
        ("no_module:f", {}, "'no_module:f' cannot be imported here"),
    ],
)
def test_a_function_that_breaks_its_contract_is_named(
    tmp_path: Path, frame: pd.DataFrame, function: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((InputError, RecipeError), match=message):
        apply(tmp_path, function, **options)
    assert not list(tmp_path.glob("staged/**/manifests/*.json"))


def test_a_function_that_assigns_to_its_frame_beside_a_bad_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": range(200), "x": [float(n % 50) for n in range(200)]}), tmp_path / "part_1.parquet")

    def assigns(rows: pd.DataFrame) -> pd.DataFrame:
        rows["x"] += 1
        if (rows["id"] == 77).any():
            raise ValueError("not this one")
        return rows[["x"]]

    manifest = apply(tmp_path, assigns, suffix="parquet", output_types={"x": "double"})
    found = scores(manifest)
    assert manifest.account == Account(200, 199, 0, 1)
    assert found["x"].tolist() == [float(n % 50) + 1 for n in range(200) if n != 77]
    assert found["id"].tolist() == [n for n in range(200) if n != 77]


def test_a_function_may_give_its_rows_in_any_order(tmp_path: Path) -> None:
    table = pa.table({"id": range(200), "x": [float(n * 7 % 50) for n in range(200)]})
    pq.write_table(table, tmp_path / "part_1.parquet")
    found = scores(apply(tmp_path, lambda rows: rows.sort_values("x")[["x"]], suffix="parquet"))
    assert found["x"].tolist() == table.column("x").to_pylist()


@pytest.mark.parametrize("options", [{}, {"output_types": {"label": "string"}}], ids=["found", "declared"])
def test_a_block_of_which_every_row_is_left_out_has_no_type_to_fit(tmp_path: Path, options: dict[str, Any]) -> None:
    """``Series.map`` gives an empty column of numbers where it gives text for any number."""
    rows = [f"{n},1,{n if n < 500 else ''}" for n in range(1000)]
    (tmp_path / "part_1.csv").write_text("\n".join(["id,site,value", *rows]) + "\n")

    def labels(rows: pd.DataFrame) -> pd.DataFrame:
        return rows["value"].dropna().map(lambda value: f"v{value}").to_frame("label")

    manifest = apply(tmp_path, labels, block_rows=100, **options)
    assert manifest.account == Account(1000, 500, 500, 0)
    assert manifest.schema == {"id": "int64", "label": "string"}
    assert scores(manifest)["label"].tolist() == [f"v{float(n)}" for n in range(500)]
