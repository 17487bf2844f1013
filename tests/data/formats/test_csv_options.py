"""CSV options that pandas has, too: the same values as `pandas.read_csv`, wherever a file is cut."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from one_csv_file import blocks_of, one_csv
from support import NUMBERED, good_rows, scores, small

from airflow_batchscore.data.blocks import read, require_columns
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.inferred_types import infer_types
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

#: Ours -> pandas' name.
PANDAS = {"delimiter": "sep", "skip_rows": "skiprows", "column_names": "names", "null_values": "na_values"}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "titles": ("Report\nof, many, cells\n\n\nid,a,t\n1,1.5,x\n2,2.5,y\n", {"skip_rows": 2}),
    "names": ("1,1.5,x\n2,,y\n3,2.5,\n", {"column_names": ["id", "a", "t"]}),
    "other names": ("x,y,z\n1,1.5,x\n2,2.5,y\n", {"skip_rows": 1, "column_names": ["id", "a", "t"]}),
    "mark": ("\ufeff1,1.5,x\n2,2.5,y\n", {"column_names": ["id", "a", "t"]}),
    "comments": (
        "# of 2026\n\nid,a,t # names\n1,1.5,x # one\n"
        '#,,,\n2,2.5,"y # no comment"\n\n# "\n3,,"""#"\n4,7,x"#"\n5,8,#y\n6,9,"z"#"#c\n#\n',
        {"comment": "#"},
    ),
    "titles and comments": ("# one\ntitle\n# two\nid,a,t\n1,1.5,x\n# three\n2,2,y\n", {"comment": "#", "skip_rows": 2}),
    "german": ("id;a;t\n1;1.234,5;x\n2;-0,25;1.5\n3;;y,z\n4;7;\n5;1,5e3;a\n", {"delimiter": ";", "decimal": ","}),
    "german groups": (
        "id;a;t\n1;1.234.567,5;x\n2;-0,25;y\n3;12.345;1.5\n4;;z\n5;1.000,;u\n6;,5;v\n",
        {"delimiter": ";", "decimal": ",", "thousands": "."},
    ),
    "english groups": ('id,a,t\n1,"1,234.5",x\n2,"12,345",y\n3,-7,"1,2"\n4,NA,z\n', {"thousands": ","}),
    "whole groups": ('id,a,t\n1,"1,234",x\n2,"12,345,678",y\n3,-7,z\n', {"thousands": ","}),
    "swiss groups": ("id;a;t\n1;1'234.5;x\n2;7;it's\n", {"delimiter": ";", "thousands": "'"}),
    "escapes": (
        'id,a,t\n1,1.5,\\"x\n2,2.5,x\\,y\n3,3,"x\\"y"\n4,4,x\\\\y\n5,5,"a,\\""\n6,6,\\,"x\n7,7,"b\\\\"\n8,8,p""q\n9,9,"\\""\n',
        {"escapechar": "\\"},
    ),
    "escaped names": ('id,a,"t\\"q"\n1,2,x\n', {"escapechar": "\\"}),
}


def _as_pandas(text: str, options: dict[str, Any]) -> pd.DataFrame:
    options = {PANDAS.get(name, name): value for name, value in options.items()}
    return pd.read_csv(io.BytesIO(text.encode()), float_precision="high", **options)


def _frame(dataset: PartitionedDataset, blocks: list[Block]) -> pd.DataFrame:
    partition = dataset.partition({"p": "1"})
    types = infer_types(dataset, [partition], list(blocks[0].source.columns))
    tables = []
    for block in blocks:
        for batch in read(dataset, block, types, {}):
            assert not batch.bad, batch.bad
            assert batch.positions.tolist() == list(range(len(batch.positions)))
            tables.append(batch.table)
    frame = pa.concat_tables(tables, promote_options="none").to_pandas()
    return frame.where(frame.notna())


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("name", list(CASES))
def test_values_are_those_of_pandas_wherever_the_file_is_cut(tmp_path: Path, name: str, ending: str) -> None:
    text, options = CASES[name]
    text = text.replace("\n", ending)
    expected = _as_pandas(text, options)
    dataset = one_csv(tmp_path, text, **options)
    for step in (None, 1, 7, 16):
        pd.testing.assert_frame_equal(_frame(dataset, blocks_of(dataset, step)), expected)
    (tmp_path / "z_1.csv.gz").write_bytes(gzip.compress(text.encode()))
    packed = PartitionedDataset(f"{tmp_path}/z_{{p}}.csv.gz", read_options=options)
    pd.testing.assert_frame_equal(_frame(packed, blocks_of(packed)), expected)
    if options.get("delimiter", ",") == "," and "\ufeff" not in text:
        (tmp_path / "w_1.csv").write_bytes(text.encode("utf-16"))
        wide = PartitionedDataset(f"{tmp_path}/w_{{p}}.csv", read_options={**options, "encoding": "utf-16"})
        pd.testing.assert_frame_equal(_frame(wide, blocks_of(wide)), expected)


@pytest.mark.skipif("WTA_MATCHES_DIR" not in os.environ, reason="needs the real matches")
def test_a_real_file_in_german_dress_has_the_same_values(tmp_path: Path) -> None:
    real = pd.read_csv(Path(os.environ["WTA_MATCHES_DIR"], "wta_matches_2015.csv"))
    real = real[["tourney_id", "winner_name", "winner_rank_points", "winner_age", "minutes"]].head(500)
    body = real.to_csv(sep=";", decimal=",", index=False, lineterminator="\n")
    lines = body.splitlines(keepends=True)
    text = "Matches of 2015\n# by Jeff Sackmann\n" + "# again\n".join(["".join(lines[:3]), "".join(lines[3:])])
    options = {"skip_rows": 1, "comment": "#", "delimiter": ";", "decimal": ",", "thousands": "."}
    dataset = one_csv(tmp_path, text, **options)
    expected = _as_pandas(text, options)
    found = _frame(dataset, blocks_of(dataset, 4_000))
    pd.testing.assert_frame_equal(found.astype(expected.dtypes.to_dict()), expected)


def test_a_bad_row_has_the_number_that_pandas_gives_it(tmp_path: Path) -> None:
    text = 'title\nid,a\n# x\n1,1.5\n\n#\n2,x # y\n3,"2\n# z\n4,"1,5"\n'
    dataset = one_csv(tmp_path, text, skip_rows=1, comment="#")
    (block,) = blocks_of(dataset)
    (batch,) = read(dataset, block, {"a": "float64"}, {"id": None})
    assert batch.positions.tolist() == [0]
    assert [(row.position, row.raw.get("a") or row.raw.get("line")) for row in batch.bad] == [
        (1, "x "),
        (2, '3,"2'),
        (3, "1,5"),
    ]


@pytest.mark.parametrize(
    ("cell", "option"),
    [
        ('"1,5"', '"decimal": ","'),
        ('"1,234"', '"thousands": ","} reads it so, and a decimal comma with {"decimal": ","}'),
        ('"1,234,567.5"', '"thousands": ","} reads it so'),
        ('"1.234,5"', '"decimal": ",", "thousands": "."'),
        ("1 234", '"thousands": " "'),
        ("1'234.5", '"thousands": "\'"'),
    ],
)
def test_a_number_in_another_dress_names_the_option(tmp_path: Path, cell: str, option: str) -> None:
    dataset = one_csv(tmp_path, f"id,a\n1,{cell}\n")
    (block,) = blocks_of(dataset)
    (batch,) = read(dataset, block, {"a": "float64"}, {"id": None})
    assert option in batch.bad[0].message
    assert "expected a number, found" in batch.bad[0].message


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("# by hand", '{"comment": "#"}'),
        ('1,"x\\",y",3', '{"escapechar": "\\\\"}'),
        ("1", '{"pad_short_rows": True}'),
    ],
)
def test_a_line_that_is_no_row_names_the_option(tmp_path: Path, line: str, option: str) -> None:
    dataset = one_csv(tmp_path, f"id,a\n1,2\n{line}\n")
    (block,) = blocks_of(dataset)
    (batch,) = read(dataset, block, {"a": "float64"}, {"id": None})
    assert option in batch.bad[0].message


@pytest.mark.parametrize(
    ("header", "option"),
    [
        ("Report of March", '"skip_rows": 1'),
        ("Report,,,", '"skip_rows": 1'),
        ("# made by x", '"comment": "#"'),
        ("1,2.5,x", '"column_names": [...]'),
    ],
)
def test_a_missing_header_names_the_option(tmp_path: Path, header: str, option: str) -> None:
    dataset = one_csv(tmp_path, f"{header}\nid,a\n1,2\n")
    (block,) = blocks_of(dataset)
    with pytest.raises(InputError) as caught:
        require_columns(block.source, ["id", "a"], partition_key="p=1")
    assert option in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("1,2\n", {"column_names": ["a"]}, r"column_names has 1 names, and the first row has 2 cells: \['1', '2'\]"),
        ("1,2\n", {"column_names": ["a", "b", "c"]}, "has 3 names, and the first row has 2 cells"),
        ("x\n", {"skip_rows": 3}, r"has no header: there is none after 3 lines \(skip_rows\)"),
        ("\nid,a\n", {}, r"its first line is empty; read_options=\{\"skip_rows\": n\}"),
        ("# x\n", {"comment": "#"}, "has no header"),
    ],
)
def test_a_file_that_has_no_such_beginning_is_refused(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        blocks_of(one_csv(tmp_path, text, **options))


def test_an_escape_behind_a_quoted_value_is_refused(tmp_path: Path) -> None:
    dataset = one_csv(tmp_path, 'id,a\n1,"x"\\y\n', escapechar="\\")
    with pytest.raises(InputError, match="the escapechar follows a quoted value"):
        list(read(dataset, blocks_of(dataset)[0], {"a": None}, {}))


@pytest.mark.parametrize("step", [None, 1, 4])
def test_an_escaped_line_end_is_refused_wherever_the_file_is_cut(tmp_path: Path, step: int | None) -> None:
    dataset = one_csv(tmp_path, "id,a\n1,x\\\\\n2,y\\\nz,3\n", escapechar="\\")
    with pytest.raises(InputError, match=r"a line ends with the escapechar, .*y\\\\'.*newlines_in_values"):
        for block in blocks_of(dataset, step):
            for _ in read(dataset, block, {"a": None}, {}):
                pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"comment": "//"}, "comment='//' must be one ASCII character"),
        ({"comment": ","}, "comment and delimiter are both ','"),
        ({"escapechar": '"'}, "escapechar and quotechar are both"),
        ({"comment": "#", "newlines_in_values": True}, "comment cannot be combined with newlines_in_values"),
        ({"escapechar": "\\", "newlines_in_values": True}, "escapechar cannot be combined with newlines_in_values"),
        ({"comment": "#", "escapechar": "\\"}, "comment and escapechar cannot be combined"),
        ({"thousands": "."}, "thousands and decimal are both '.'"),
        ({"decimal": "1"}, "decimal='1' must be one ASCII character"),
        ({"thousands": ""}, "thousands='' must be one ASCII character"),
        ({"thousands": "\u202f"}, "must be one ASCII character"),
        ({"skip_rows": "3"}, "skip_rows='3' is the number of lines above the header"),
        ({"skip_rows": True}, "skip_rows=True"),
        ({"skip_rows": -1}, "skip_rows=-1"),
        ({"column_names": "a,b"}, "column_names='a,b' must be a list"),
        ({"column_names": []}, "must be a list"),
        ({"column_names": ["a", "a"]}, "column_names has a more than once"),
        (
            {"null_values": "NA"},
            r"null_values='NA' must be a list .*: \{'null_values': \[\"NA\"\]\}, on the command line",
        ),
        ({"null_values": [None]}, r"null_values=\[None\] must be a list"),
        ({"null_values": None}, "null_values=None must be a list"),
        ({"pad_short_rows": "False"}, "pad_short_rows='False': write true or false"),
        ({"newlines_in_values": "no"}, "newlines_in_values='no': write true or false"),
        ({"newlines_in_values": 1}, "newlines_in_values=1: write"),
        (
            {"delimiter": "\\t"},
            r"must be one ASCII character, .*Is it a tab\? .*\{'delimiter': '\\t'\}.*\$'delimiter=\\t'",
        ),
        ({"delimiter": "||"}, r"delimiter='\|\|' must be one ASCII character, and no line end: \{'delimiter': ';'\}"),
        ({"delimiter": ""}, "delimiter='' must be one"),
        ({"delimiter": "\n"}, r"delimiter='\\n' must be one"),
        ({"delimiter": None}, "delimiter=None must be one"),
        ({"delimiter": 7}, "delimiter=7 must be one"),
        ({"quotechar": ""}, r"quotechar='' must be one .*\{'quotechar': \"'\"\}"),
        ({"quotechar": "\u201e"}, "must be one ASCII character"),
        ({"delimiter": '"'}, "delimiter and quotechar are both '\"'"),
        ({"encoding": "latin-99"}, "encoding='latin-99' is unknown; there are 'utf-8'"),
        ({"encoding": "rot13"}, "encoding='rot13' is unknown"),
        ({"encoding": 8}, "encoding=8 is unknown"),
        ({"comments": "#"}, "read_options .'comments'. are unknown"),
    ],
)
def test_options_that_cannot_be_are_refused_when_the_dataset_is_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PartitionedDataset("/d/{p}.csv", read_options=options)


def test_a_dataset_without_these_options_keeps_its_identity() -> None:
    assert PartitionedDataset("/d/{p}.csv").reading == [None, []]
    assert PartitionedDataset("/d/{p}.csv", read_options={"decimal": ","}).reading == [None, [("decimal", ",")]]


def test_a_german_report_has_the_scores_of_the_plain_file(tmp_path: Path) -> None:
    data = small(tmp_path)
    rows = [(1_000 + number, *row[1:]) for number, row in enumerate(good_rows(300))]
    data.add(1, rows)
    lines = [";".join(f"{value:,}".translate(str.maketrans(",.", ".,")) for value in row) for row in rows]
    lines[100:100] = ["# half-time", ""]
    text = "\n".join(["Report", "# of March", "id;a;b;label", *lines, ""])
    (tmp_path / "german").mkdir()
    options = {**NUMBERED, "skip_rows": 1, "comment": "#", "delimiter": ";", "decimal": ",", "thousands": "."}
    german = one_csv(tmp_path / "german", text, **options)
    ((manifest, _),) = data.score(1, dataset=german, block_rows=40)
    assert len(manifest.blocks) > 5
    found = scores(manifest)
    pd.testing.assert_frame_equal(found[["id", "prediction"]], data.plain(1))
