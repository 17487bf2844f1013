"""Run a case through the package, training to publication, and compare what is published with the plain answer."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fuzz_files
import fuzz_finishes
import fuzz_models
import fuzz_oracle
import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
from fuzz_cases import COLUMNS_READ, Case
from fuzz_oracle import RefusedError, UnclearError, plain

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.state import read_manifests
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob, train

KEYS = ("uid", "k")
#: What the functions of groups give.
_OUTPUTS = {
    "group_summary": {"n": "int64", "total": "double"},
    "group_shares": {"x": "double"},
    "group_fussy": {"n": "int64"},
    "group_nothing": {"n": "int64"},
}
log = logging.getLogger("fuzz")


class FindingError(AssertionError):
    """Something was published that is not right, or an error came that nobody wrote."""


def check(case: Case, counts: Counter[str]) -> None:
    """Raises FindingError. What came of it is counted: ``equal`` rows and runs, and refusals by their kind."""
    folder = Path(tempfile.mkdtemp(prefix="batchscore-fuzz-"))
    try:
        fuzz_files.write(case, folder / "data")
        _run(case, folder, counts)
    finally:
        shutil.rmtree(folder)


def _run(case: Case, folder: Path, counts: Counter[str]) -> None:
    try:
        model = _train(case, folder) if case.work in ("model", "no recipe") else None
    except (BatchScoreError, OSError) as error:
        _count_refusal(case, folder, "training", error, counts)
        return
    except Exception as error:
        raise FindingError(f"training raised {type(error).__name__}: {error}") from error
    _publish_and_compare(case, folder, model, counts, token=None)
    if case.again:
        if case.again == "replaced":
            case = dataclasses.replace(case, seed=case.seed + 10_000)
            new = fuzz_files.write(case, folder / "new")
            for path in [*new.glob("p=[1-9]*/*"), *Path(f"{new}-good").glob("p=[1-9]*/*")]:
                place = "data" if path.is_relative_to(new) else "data-good"
                path.replace(folder / place / path.parent.name / path.name)
        _publish_and_compare(case, folder, model, counts, token="again" if case.again == "force" else None)


def _dataset(case: Case, folder: Path) -> PartitionedDataset:
    return PartitionedDataset(f"{folder}/data/p={{p}}/*.{case.form}", read_options=case.read_options)


def _train(case: Case, folder: Path) -> Any:
    target: Any = "label" if case.target == "label" else fuzz_finishes.target(case.target)
    options: dict[str, Any] = {"target": target, "keys": KEYS}
    if case.work == "no recipe":
        options["columns"] = ["x", "y"]
    else:
        options["features"] = fuzz_finishes.recipe(case.steps, case.finish)
        if case.columns:
            options["columns"] = list(COLUMNS_READ)
        if not case.row_wise and "row_wise" in inspect.signature(Recipe).parameters:
            options["row_wise"] = False
    estimator = fuzz_models.MODELS[case.model][0]()
    return train(TrainingJob(_dataset(case, folder), [0], Recipe(**options), estimator, f"{folder}/model")).ref


def _publish(case: Case, folder: Path, model: Any, token: str | None) -> list[Any]:
    """Score, audit, publish; the manifests."""
    function = None
    columns = COLUMNS_READ if case.columns else None
    if case.work == "function":
        function = FunctionJob(FunctionRef.of(fuzz_finishes.recipe(case.steps, case.finish)), columns=columns)
    elif case.work == "groups":
        function = FunctionJob(
            FunctionRef.of(fuzz_finishes.GROUPED[case.finish]), case.group_by, columns, _OUTPUTS[case.finish]
        )
    job = ScoringJob(
        dataset=_dataset(case, folder),
        scored_with=function or OneModel(model),
        output_uri=f"{folder}/staged",
        spec=OutputSpec.of(case.method),
        keys=None if model else () if function and function.group_by else KEYS,
        block_rows=case.block_rows,
        limit=Limit.of(case.limit),
        allow_nan=case.allow_nan,
        token=token,
    )
    values = [{"p": str(number)} for number in range(1, len(case.files) + 1)]
    engine = LocalDask(workers=case.workers, processes=case.processes)
    scored = score_partitions(job, values, engine)
    manifests = read_manifests([made.uri for made, _ in scored], None, [made.digest for made, _ in scored])
    audit(values, manifests, Limits(max_quarantined=1.0)).require()
    combine(manifests, Location(f"{folder}/{case.output}"))
    return manifests


def _publish_and_compare(case: Case, folder: Path, model: Any, counts: Counter[str], token: str | None) -> None:
    try:
        manifests = _publish(case, folder, model, token)
    except (BatchScoreError, OSError) as error:
        _count_refusal(case, folder, "scoring", error, counts)
        return
    except Exception as error:
        raise FindingError(f"scoring raised {type(error).__name__}: {error}") from error
    try:
        expected, bad = _expected(case, Path(f"{folder}/data-good"))
    except RefusedError as error:
        raise FindingError(f"published where it should have been refused: {error}") from error
    except UnclearError:
        counts["unclear"] += 1
        return
    bad |= {f"bad{number}" for number in range(len(case.bad))}
    compare(case, expected, published(folder, case), bad, quarantined(manifests))
    counts["equal"] += 1
    counts["equal rows"] += len(expected)
    counts["quarantined rows"] += len(bad)


def _count_refusal(case: Case, folder: Path, stage: str, error: Exception, counts: Counter[str]) -> None:
    """Refusals are right; many of what has an answer would say little."""
    why = "there is no answer"
    try:
        answers = len(_expected(case, Path(f"{folder}/data-good"))[0])
    except Exception as no_answer:
        answers, why = 0, f"{type(no_answer).__name__}: {no_answer}"
    counts[f"{stage} refused{', though there is an answer' if answers else ''}: {type(error).__name__}"] += 1
    why = "THOUGH THERE IS AN ANSWER" if answers else why
    log.info("refused, %s: %s\n    %s", why, case, error)


def _expected(case: Case, good: Path) -> tuple[list[list[Any]], set[str]]:
    if case.work == "groups":
        return fuzz_oracle.answer_of_groups(case, good)
    model, names = (None, []) if case.work == "function" else fuzz_oracle.fit(case, good)
    return fuzz_oracle.answer(case, good, model, names)


# -- reading back ----------------------------------------------------------------------
def published(folder: Path, case: Case) -> list[list[Any]]:
    """Rows as they were published: partition, keys, outputs."""
    place = folder / case.output
    if place.suffix == ".csv":
        convert = pc.ConvertOptions(
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            column_types=dict.fromkeys(_header(place), "string"),
        )
        text = pc.read_csv(place, parse_options=pc.ParseOptions(newlines_in_values=True), convert_options=convert)
        return [list(row) for row in zip(*(column.to_pylist() for column in text.columns), strict=True)]
    rows = []
    for path in [place] if place.is_file() else sorted(place.glob("p=*/*.parquet")):
        with pq.ParquetFile(path) as opened:  # not as a dataset: the folder's name is no column
            columns = [column.to_pylist() for column in opened.read().columns]
        if place.is_dir():
            columns.insert(0, [int(path.parent.name[2:])] * len(columns[0]))
        rows += [list(row) for row in zip(*columns, strict=True)]
    return rows


def _header(path: Path) -> list[str]:
    return path.read_text().splitlines()[0].replace('"', "").split(",")


def quarantined(manifests: Sequence[Any]) -> list[str]:
    """The uid, or the line, of each row in quarantine."""
    found = []
    for manifest in manifests:
        for block in manifest.blocks:
            if block.quarantine:
                for raw in pq.read_table(f"{manifest.folder}/{block.quarantine}")["raw"].to_pylist():
                    found.append(raw)
    return found


# -- comparing ------------------------------------------------------------------------
def compare(
    case: Case, expected: list[list[Any]], found: list[list[Any]], bad: set[str], in_quarantine: Sequence[str]
) -> None:
    if len(in_quarantine) != len(bad) or not all(any(_names(raw, uid) for raw in in_quarantine) for uid in bad):
        raise FindingError(f"in quarantine are {in_quarantine}, where {sorted(bad)} belong")
    if case.work == "groups":
        expected, found = sorted(expected, key=_sorting), sorted(found, key=_sorting)
    for number, (right, there) in enumerate(zip(expected, found, strict=False)):
        if len(right) != len(there) or not all(_same(case, *pair) for pair in zip(right, there, strict=True)):
            raise FindingError(f"row {number} is {there}, and should be {right}")
    if len(expected) != len(found):
        extra = expected[len(found) :] or found[len(expected) :]
        raise FindingError(
            f"{len(found)} rows, and there should be {len(expected)}; the first of the others {extra[0]}"
        )


def _names(raw: str, uid: str) -> bool:
    return f'"{uid}"' in raw or f'"{uid}.0"' in raw or f'"{uid},' in raw or f'"{uid};' in raw


def _sorting(row: list[Any]) -> str:
    return str([str(plain(value)) for value in row])


def _same(case: Case, right: Any, there: Any) -> bool:
    if case.output.endswith(".csv"):
        return (there == "nan" and right != right) or _same_text(plain(right), there)
    right, there = plain(right), plain(there)
    if isinstance(right, (int, float)) and isinstance(there, (int, float)):
        if isinstance(right, float) or isinstance(there, float):
            return math.isclose(right, there, rel_tol=1e-9, abs_tol=1e-12)
        return right == there
    return bool(right == there)


def _same_text(right: Any, there: str | None) -> bool:
    """As a CSV file has it."""
    if right is None or there is None:
        return right is None and there is None
    if isinstance(right, bool):
        return there.lower() == str(right).lower()
    if isinstance(right, (int, float)):
        # The text of a float32 is short, and exact as a float32.
        return math.isclose(float(there), right, rel_tol=1e-9, abs_tol=1e-12) or float(np.float32(there)) == right
    return not isinstance(right, str) or there == right
