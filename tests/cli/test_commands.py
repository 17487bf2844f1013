"""Each command, as a person types it: what it prints, what it returns, and what stands in its JSON."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lakes import KINDS, lake
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import Small, good_rows

from airflow_batchscore.cli.main import main
from airflow_batchscore.scoring import rounds

pytestmark = pytest.mark.unit

DATA = ["part_{p}.csv", "--column-type", "id=int64", "--model", "model@champion"]
#: Of ``--json``: docs/command-line.md says that they stay.
KEYS = {
    "preview": {
        *("partition", "file", "model", "rows", "note"),
        *("rows_read", "rows_scored", "rows_skipped", "rows_quarantined"),
    },
    "plan": {"dataset", "output", "publish_to", "partitions", "kept", "notices", "counts"},
    "estimate": {
        *("schema", "seconds", "low", "high", "core_seconds", "peak_memory", "cost", "rows", "partitions", "bytes"),
        *("reused", "tasks", "parallel_tasks", "workers", "sample_rows", "sample_seconds"),
    },
    "score": {
        *("run", "rows_read", "rows_scored", "rows_skipped", "rows_quarantined"),
        *("partitions", "checks", "verdict", "published"),
    },
    "runs": {"runs"},
    "models": {"versions", "aliases", "problem"},
    "promote": {"schema", "model", "version", "digest", "metrics", "baseline", "promoted_to"},
    "clean": {"schema", "staging", "dry_run", "removed", "kept", "kept_bytes", "in_use", "bytes"},
}


class Typed:
    """Runs commands; keeps what the last one printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        code = main(words)
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *words: str) -> Any:
        """The JSON that a command prints, whose keys are those that are documented."""
        assert self(*words, "--json") == 0, self.err
        value = json.loads(self.out)
        assert value.keys() == KEYS[words[0]]
        return value


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(capsys)


def _rows(table: str) -> list[list[str]]:
    """The cells below the line of a table."""
    lines = table.splitlines()
    (line,) = (number for number, text in enumerate(lines) if text.strip().startswith("──"))
    return [text.split() for text in lines[line + 1 : lines.index("", line)]]


def test_preview(shop: Small, typed: Typed) -> None:
    assert typed("preview", *DATA, "--partition", "2", "--rows", "3") == 0
    assert [row[:4] for row in _rows(typed.out)] == [
        ["0", "2000", "0.0", "0.0"],
        ["1", "2001", "0.25", "1.0"],
        ["2", "2002", "0.5", "2.0"],
    ]
    assert typed("preview", *DATA, "--partition", "2", "--rows", "50") == 0
    assert "quarantined" in typed.out
    assert "ParseError: column 'a': expected a number, found 'x'" in typed.out
    assert "31 rows read = 30 scored + 0 skipped + 1 that cannot be scored" in typed.out
    found = typed.json("preview", *DATA, "--partition", "2", "--rows", "50")
    assert found["rows"][30]["outcome"] == "quarantined"
    assert found["rows"][1]["inputs"] == {"id": 2001, "a": 0.25, "b": 1.0}
    (shop.folder / "own_recipe.py").write_text(
        "def features(frame):\n    return frame[['a']].rename(columns={'a': 'twice'}) * 2\n"
    )
    assert typed("preview", "part_{p}.csv", "--features", "own_recipe:features", "--rows", "3") == 0
    assert "twice" in typed.out


def test_plan_score_runs(shop: Small, typed: Typed) -> None:
    run = [*DATA, "--output", "staged", "--publish-to", "out.parquet"]
    planned = typed.json("plan", *run)
    assert planned["counts"] == {"score": 3, "added": 3, "kept": 0}
    assert typed("score", *run) == 1
    assert "261 rows read = 260 scored + 0 skipped + 1 in quarantine" in typed.out
    assert typed.err.rstrip().endswith("or raise --max-quarantined")
    assert not Path("out.parquet").exists()
    assert typed("score", *run, "--partitions", "0..1") == 0
    assert "230 rows read = 230 scored + 0 skipped + 0 in quarantine" in typed.out
    assert f"{shop.folder}/out.parquet: 2 added, 0 replaced" in typed.out
    assert {row[1] for row in _rows(typed.out)} == {shop.model.version}
    scored = typed.json("score", *run, "--max-quarantined", "1", "--workers", "1")
    assert {each["model"] for each in scored["partitions"]} == {shop.model.version}
    assert [each["reused"] for each in scored["partitions"]] == [True, True, True]
    assert scored["published"]["added"] == 1
    plain = pd.concat([shop.plain(0), shop.plain(1)], ignore_index=True)
    published = pd.read_parquet("out.parquet")
    assert published["prediction"].tolist()[:230] == plain["prediction"].tolist()
    assert typed("plan", *run) == 0
    assert [row[3] for row in _rows(typed.out)] == ["reuse"] * 3
    assert [row[-1] for row in _rows(typed.out)] == ["unchanged"] * 3
    assert len(typed.json("runs", "out.parquet")["runs"]) == 2
    assert typed("runs", "staged") == 0
    assert [row[2] for row in _rows(typed.out)] == ["checked"] * 3
    assert [row[8] for row in _rows(typed.out)] == ["yes", "yes", "no"]
    assert typed("runs", "out.parquet") == 0
    assert [row[3] for row in _rows(typed.out)] == [shop.model.version] * 2


def test_scores_that_do_not_pass_print_what_was_checked(shop: Small, typed: Typed) -> None:
    assert typed("score", *DATA, "--output", "staged", "--publish-to", "out.parquet", "--json") == 1
    found = json.loads(typed.out)
    assert found.keys() == KEYS["score"]
    assert (found["rows_quarantined"], found["published"]) == (1, None)
    (problem,) = (check["problem"] for check in found["checks"] if check["problem"])
    assert problem.startswith("1 row in quarantine, 0 allowed")
    assert json.loads(Path(found["verdict"]).read_text())["passed"] is False
    assert typed.err.startswith("batchscore: the scores did not pass")


@pytest.mark.parametrize("kind", KINDS)
def test_a_table(shop: Small, typed: Typed, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with lake(kind, tmp_path_factory.mktemp("lake")) as there:
        run = [*DATA, "--partitions", "0..1", "--output", "staged", "--publish-to", there.output]
        catalog = ["--catalog-conn-id", "lake"] if kind == "iceberg" else []
        table = ["--table", {"delta": "delta", "iceberg": "iceberg:tennis.scores@lake"}[kind], *catalog]
        assert typed.json("plan", *run, *table)["counts"] == {"score": 2, "added": 2, "kept": 0}
        assert typed("score", *run, *table) == 0
        version = there.opened().version() if kind == "delta" else there.opened().current_snapshot().snapshot_id
        assert f"{there.output}: 2 added, 0 replaced, 0 unchanged, 0 kept, 0 dropped; version {version} of" in typed.out
        assert there.rows() == {0: 200, 1: 30}
        assert typed.json("plan", *run, *table)["counts"] == {"reuse": 2, "unchanged": 2, "kept": 0}
        for command in ("plan", "score"):
            assert typed(command, *run) == 1
            assert f"on the command line --table {kind}" in typed.err
    assert typed("plan", *DATA, "--output", "staged", "--table", "delta") == 2
    assert typed.err == "batchscore: --table delta: nothing is published; add --publish-to, the table's folder\n"


def test_a_plan_in_which_something_fails(shop: Small, typed: Typed) -> None:
    shop.add(3, [(1, 2)], header=("id", "a"))
    function = ["part_{p}.csv", "--function", "support:nothing", "--output", "staged"]
    assert typed("plan", *function) == 1
    assert "has no nothing" in typed.out


def test_estimate(shop: Small, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_LEAST_SECONDS", 0.1)
    run = ["estimate", *DATA, "--output", "staged", "--workers", "1"]
    found = typed.json(*run, "--partitions", "0..1", "--price-per-core-hour", "0.04", "--max-seconds", "3600")
    assert (found["partitions"], found["workers"]) == (2, 1)
    assert found["rows"] == pytest.approx(230, rel=0.05)
    assert found["cost"] is not None
    assert not Path("staged").exists()
    assert typed(*run, "--share", "0.5") == 0
    assert typed.out.startswith("The run will take about ")
    assert typed.out.count("\n") == 2
    assert typed(*run, "--max-seconds", "0", "--json") == 1
    assert json.loads(typed.out)["partitions"] == 3
    assert typed.err.startswith("batchscore: the run would take about ")
    assert typed.err.rstrip().endswith("or raise the limit")
    assert typed(*run, "--max-cost", "1") == 2
    assert typed.err == "batchscore: --max-cost needs a price: add --price-per-core-hour\n"
    for wrong in ("-1", "nan", "x"):
        with pytest.raises(SystemExit):
            typed(*run, "--max-seconds", wrong)


def test_models_and_promote(shop: Small, typed: Typed) -> None:
    version = shop.model.version
    assert typed("promote", f"model/{version}", "--to", "latest", "--require", "accuracy>=0.9") == 0
    assert typed.out == f"@latest now points at version {version}\n"
    assert typed("promote", f"model/{version}", "--to", "best", "--require", "accuracy > 1") == 1
    assert typed.err.endswith("required > 1. It was not promoted\n")
    assert typed("promote", "model@nope", "--to", "best") == 1
    assert "there is no alias 'nope' at" in typed.err
    assert "; there are champion, latest. Name a version, '<uri>/<version>', or an alias that is there\n" in typed.err
    assert (
        typed("promote", "model@latest", "--to", "best", "--require", "accuracy>=baseline", "--baseline", "model@x")
        == 1
    )
    assert "there are champion, latest" in typed.err
    assert typed("promote", "nowhere@nope", "--to", "best") == 1
    assert "there is no other" in typed.err
    assert typed("promote", "model/nope", "--to", "best") == 1
    assert "alias" not in typed.err
    assert typed.json("promote", "model@latest", "--to", "latest")["version"] == version
    assert typed.json("models", "model")["aliases"] == {"champion": version, "latest": version}
    assert typed("models", "model") == 0
    (row,) = _rows(typed.out)
    assert row[:3] == [version, "@champion", "@latest"]
    assert typed("models", "staged") == 1

    file = Path(f"model/{version}/model.json")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1234, class_weight="balanced"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "estimator": repr(pipeline)}))
    assert typed("models", "model") == 0
    (line,) = (line for line in typed.out.splitlines() if version in line)
    assert f"  {' '.join(repr(pipeline).split())}  " in line
    assert typed.json("models", "model")["versions"][0]["estimator"] == repr(pipeline)


def test_every_limit_of_a_metric_must_hold_for_a_promotion(shop: Small, typed: Typed) -> None:
    promote = ["promote", "model@champion", "--to", "best", "--baseline", "model@champion"]
    assert typed(*promote, "--require", "accuracy>=1.1", "--require", "accuracy>=0.95*baseline") == 1
    assert "required >=1.1" in typed.err
    assert typed(*promote, "--require", "accuracy>=0.1", "--require", "accuracy>=0.95*baseline") == 0


def test_clean(shop: Small, typed: Typed) -> None:
    for method in ("predict", "predict_proba"):
        assert typed("score", *DATA, "--partitions", "1", "--output", "staged", "--method", method) == 0
        for path in Path("staged").rglob("*.*"):
            moment = path.stat().st_mtime - 100 * 3600
            os.utime(path, (moment, moment))
    keep = ["clean", "staged", "--published", "none", "--keep-runs", "1"]
    assert typed(*keep, "--dry-run") == 0
    assert "1 would be removed" in typed.out
    assert len(typed.json(*keep, "--dry-run")["removed"]) == 1
    assert typed(*keep) == 0
    assert "1 removed" in typed.out
    assert typed(*keep) == 0
    assert "0 removed, 0 bytes; 1 kept" in typed.out
    assert typed("clean", "staged", "--published", "none") == 2
    assert typed.err == "batchscore: say what to keep: --keep-days 30, --keep-runs 5, or both\n"
    assert typed("clean", "staged", "--published", "nowhere.parquet", "--keep-runs", "1") == 1
    assert "holds no published scores, so that nothing was removed" in typed.err


def test_partitions_that_are_named_apart_are_all_scored(shop: Small, typed: Typed) -> None:
    score = ["score", *DATA, "--output", "staged", "--max-quarantined", "1"]
    found = typed.json(*score, "--partitions", "0", "--partitions", '{"p": "1"}', "--partitions", "[2]")
    assert [each["partition"] for each in found["partitions"]] == ["p=0", "p=1", "p=2"]
    assert typed("preview", *DATA, "--partition", "0", "--partition", "1") == 1
    assert "a preview shows one partition, and these are 2" in typed.err


def test_reading_options_and_flags(shop: Small, typed: Typed) -> None:
    text = "\n".join(";".join(map(str, row)) for row in [("id", "a", "b"), *(row[:3] for row in good_rows(5))])
    (shop.folder / "other_1.txt").write_text(text + "\n")
    other = ["other_{p}.txt", "--model", "model@champion", "--format", "csv"]
    assert typed("preview", *other) == 1
    assert "delimiter" in typed.err
    given = [*other, "--read-option", "delimiter=;", "--read-option", 'null_values=["", "NA"]', "--keys", "id,a"]
    assert typed("preview", *given, "--flag", "high=prediction>0.5") == 0
    assert _rows(typed.out)[0][-1] == "True"
    assert typed("preview", *given, "--outputs", "nothing") == 1
    assert "gives prediction" in typed.err


def test_times_are_those_of_this_run(shop: Small, typed: Typed) -> None:
    assert typed("score", *DATA, "--partitions", "1", "--output", "staged", "--force") == 0
    (trace,) = typed.json("runs", "staged")["runs"]
    assert trace["time"][:10] in {time.strftime("%Y-%m-%d", time.gmtime(time.time() - back)) for back in (0, 60)}


def test_the_rows_of_one_file_are_divided(shop: Small, typed: Typed) -> None:
    one = ["part_0.csv", "--partition-by", "id % 4", "--column-type", "id=int64", "--model", "model@champion"]
    assert typed("preview", *one, "--partition", "2", "--rows", "1") == 0
    assert typed("estimate", *one, "--output", "staged") == 1
    assert "Score a few partitions first, with batchscore score --partitions ..., to see what they take\n" in typed.err
    planned = typed.json("plan", *one, "--output", "staged")
    assert planned["counts"] == {"score": 5}  # 0 to 3, and the rows without an id
    scored = typed.json("score", *one, "--output", "staged", "--partitions", "1..2", "--publish-to", "out.parquet")
    assert [(each["partition"], each["rows_read"]) for each in scored["partitions"]] == [
        ("id_mod_4=1", 50),
        ("id_mod_4=2", 50),
    ]
    published, plain = pd.read_parquet("out.parquet").set_index("id"), shop.plain(0).set_index("id")
    assert sorted(published.index) == [number for number in range(200) if number % 4 in (1, 2)]
    assert published["prediction"].tolist() == plain.loc[published.index, "prediction"].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_data(shop: Small, typed: Typed, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with lake(kind, tmp_path_factory.mktemp("lake")) as there:
        to, catalog = (["delta"], []) if kind == "delta" else (["iceberg:tennis.scores@lake"], ["lake"])
        out = ["--table", *to, *(["--catalog-conn-id", *catalog] if catalog else [])]
        numbers = ["--keys", "id,a,b", "--column-type", "a=float64", "--column-type", "b=float64"]
        run = [*DATA, *numbers, "--partitions", "0..1", "--output", "staged", "--publish-to", there.output]
        assert typed("score", *run, *out) == 0
        data = [there.output, "--data-table", *to, *(["--data-catalog-conn-id", *catalog] if catalog else [])]
        again = [*data, "--partition-by", "p", "--model", "model@champion", "--output", "again"]
        assert typed.json("plan", *again)["counts"] == {"score": 2}
        scored = typed.json("score", *again, "--partitions", "0")
        assert [each["rows_scored"] for each in scored["partitions"]] == [200]
        assert typed("plan", *again, "--data-version", "12") == 1
        assert "12" in typed.err
    assert typed("plan", *DATA, "--output", "staged", "--data-table", "hudi") == 2
    assert typed.err == "batchscore: --data-table 'hudi': write delta, or iceberg:namespace.table@catalog\n"
    assert typed("plan", *DATA, "--output", "staged", "--data-catalog-conn-id", "lake") == 2
    assert "--data-catalog-conn-id is for --data-table iceberg:" in typed.err


def test_values_that_training_did_not_see_have_limits(shop: Small, typed: Typed) -> None:
    shop.add(4, [(number, 100.0, 1, 0) for number in range(50)])  # training saw 0 to 4
    run = [*DATA, "--partitions", "4", "--output", "staged"]
    assert typed("score", *run) == 0
    assert typed("score", *run, "--max-outside", "0.5", "--max-unseen", "0.5") == 1
    assert "outside the range" in typed.err
    assert typed("score", *run, "--max-outside", "1") == 0
    with pytest.raises(SystemExit, match="2"):
        typed("score", *run, "--max-outside", "many")
