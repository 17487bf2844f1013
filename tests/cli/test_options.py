"""Words on the command line become the arguments of the Python API."""

from __future__ import annotations

import argparse

import pytest

from airflow_batchscore import DaskCluster, Delta, Iceberg, LocalDask, Location, Trust
from airflow_batchscore.cli import options
from airflow_batchscore.errors import InputError, OutputError

pytestmark = pytest.mark.unit


def _given(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--conn-id")
    options.add_dataset(parser)
    options.add_scoring(parser)
    options.add_run(parser)
    options.add_engine(parser)
    return parser.parse_args(["/data/x_{p}.csv", "--output", "/staged", *words])


def test_the_dataset() -> None:
    given = _given("--read-option", "delimiter=;", "--read-option", "pad_short_rows=true", "--column-type", "a=int64")
    dataset = options.dataset_of(given)
    assert dataset.read_options == {"delimiter": ";", "pad_short_rows": True, "column_types": {"a": "int64"}}
    assert options.dataset_of(_given("--conn-id", "both")).conn_id == "both"
    assert options.dataset_of(_given("--conn-id", "both", "--data-conn-id", "own")).conn_id == "own"
    assert options.dataset_of(_given("--format", "parquet")).format == "parquet"


def test_options_of_reading_are_json_or_text() -> None:
    for tab in ("delimiter=\t", r'delimiter="\t"'):
        assert options.dataset_of(_given("--read-option", tab)).read_options == {"delimiter": "\t"}
    with pytest.raises(InputError, match=r"null_values='NA' .*--read-option 'null_values=\[\"NA\"\]'"):
        options.dataset_of(_given("--read-option", "null_values=NA"))
    with pytest.raises(InputError, match=r"Is it a tab\?"):
        options.dataset_of(_given("--read-option", r"delimiter=\t"))


def test_the_output() -> None:
    assert options.output_of(_given()) == {"publish_to": None, "table": None}
    to = ["--publish-to", "/lake", "--table"]
    assert options.output_of(_given(*to, "delta")) == {"publish_to": "/lake", "table": Delta()}
    assert options.output_of(_given(*to, "iceberg:a.b"))["table"] == Iceberg("a.b")
    named = options.output_of(_given(*to, "iceberg:a.b.c@lake", "--catalog-conn-id", "x"))
    assert named["table"] == Iceberg("a.b.c", "lake", "x")
    for wrong in ("hudi", "Delta", "delta:x", "iceberg", "iceberg:", "iceberg:a.b@", "iceberg:@lake", ""):
        with pytest.raises(InputError, match="write delta, or iceberg:namespace.table@catalog"):
            options.output_of(_given(*to, wrong))
    with pytest.raises(OutputError, match="name the namespace and the table"):
        options.output_of(_given(*to, "iceberg:scores"))
    with pytest.raises(InputError, match="--table delta: nothing is published; add --publish-to"):
        options.output_of(_given("--table", "delta"))
    for given in ([], [*to, "delta"]):
        with pytest.raises(InputError, match="--catalog-conn-id is for --table iceberg"):
            options.output_of(_given(*given, "--catalog-conn-id", "x"))


def test_how_to_score() -> None:
    chosen = options.score_options(_given("--method", "predict_proba", "--keys", "a, b", "--flag", "sure=p>0.9"))
    assert (chosen["method"], chosen["keys"], chosen["flags"]) == ("predict_proba", ["a", "b"], {"sure": "p>0.9"})
    assert not {"block_rows", "quarantine", "force"} & set(chosen)
    more = options.score_options(_given("--quarantine", "0.01", "--force", "--block-rows", "10"))
    assert (more["quarantine"], more["force"], more["block_rows"]) == (0.01, True, 10)
    assert options.score_options(_given("--quarantine", "0"))["quarantine"] == 0
    assert options.score_options(_given())["method"] == "predict"
    assert options.score_options(_given("--missing-model", "skip"))["model_policy"].missing == "skip"


def test_which_models_may_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(options.SIGNING_KEY, raising=False)
    assert options.trust_of(_given()) is None
    given = _given("--trusted", "/a", "--trusted", "/b", "--trusted-type", "x.Y")
    assert options.trust_of(given) == Trust((Location("/a"), Location("/b")), types=("x.Y",))
    monkeypatch.setenv(options.SIGNING_KEY, "key")
    assert options.trust_of(_given("--require-signature")) == Trust(key=b"key", require_signature=True)
    assert options.trust_of(_given()) == Trust(key=b"key")


def test_where_it_runs() -> None:
    assert options.engine_of(_given("--workers", "2", "--memory-limit", "1GiB")) == LocalDask(2, memory_limit="1GiB")
    assert options.engine_of(_given("--dask", "tcp://x:8786")) == DaskCluster(address="tcp://x:8786")
    with pytest.raises(InputError, match="leave out --memory-limit"):
        options.engine_of(_given("--dask", "tcp://x:8786", "--memory-limit", "1GiB"))
    with pytest.raises(InputError, match="not both"):
        options.engine_of(_given("--python", "p", "--environment", "f"))


def test_what_is_given_again_adds_up() -> None:
    again = ["--keys", "a,b", "--keys", "c", "--method", "predict", "--method", "predict_proba"]
    chosen = options.score_options(
        _given(*again, "--outputs", "x", "--outputs", "y", "--columns", "d", "--columns", "e")
    )
    assert (chosen["keys"], chosen["method"]) == (["a", "b", "c"], "predict,predict_proba")
    assert (chosen["outputs"], chosen["columns"]) == (["x", "y"], ["d", "e"])
    assert _given("--partitions", "0..1", "--partitions", "7").partitions == ["0..1", "7"]


def test_a_name_that_is_given_twice_is_refused() -> None:
    for option in ("--read-option", "--column-type"):
        with pytest.raises(InputError, match=f"{option} a= is given twice"):
            options.dataset_of(_given(option, "a=int64", option, "a=string"))
    with pytest.raises(InputError, match="--flag a= is given twice"):
        options.score_options(_given("--flag", "a=p>1", "--flag", "a=p>2"))
