"""This package on a benchmark workload, by the code that `ScorePartitionOperator` runs.

usage: python engine.py WORK auto|threads|processes|pool [pack] [accelerated] [preloaded] [to-file] [to-folder] [prepare]

pool         a bare thread pool in the place of LocalDask
pack         each file is a partition, all of them scored in one call, as a packed task does
accelerated  the model compiled as `ImportModelOperator(accelerate=True)` does
preloaded    imports are over before the clock starts, as where tasks are forked from a process that made them
to-file      the scores are published too, as one Parquet file
to-folder    the same, as a folder with a file for each partition, which threads write side by side (with `pack`)
prepare      makes the model's artifact, which other runs find then, and scores nothing
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import common as c

from airflow_batchscore.data.storage import Location

# Other benchmarks import this file for its models.
work, mode, *flags = sys.argv[1:] if __name__ == "__main__" else ["w1", "auto"]


def diff(frame: Any) -> Any:
    """Features of the CSV workloads."""
    return (frame[c.W] - frame[c.L]).dropna().to_frame("diff")


def artifact_of(model_path: str, names: list[str], kind: str) -> Any:
    """The workload's joblib file as a model artifact, made once."""
    from airflow_batchscore.data import storage
    from airflow_batchscore.model.reference import ModelRef

    data = Path(model_path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    uri = f"{c.ROOT}/models/{kind}-{digest[:12]}"
    if storage.stat(Location(f"{uri}/model.json")) is None:
        import joblib
        import numpy as np
        import pandas as pd

        from airflow_batchscore import Recipe
        from airflow_batchscore.model import artifact
        from airflow_batchscore.model.training_record import TrainingRecord
        from airflow_batchscore.training.signature import matrix_methods, outputs_and_labels, reference_profile

        estimator = joblib.load(model_path)
        csv = kind == "csv"
        names = ["diff"] if csv else names
        sample = pd.DataFrame(np.random.default_rng(0).standard_normal((1000, len(names))), columns=names)
        # The peers write the feature beside the prediction; one of the columns it is made of is as much to write.
        keys = [c.W] if csv else ["id"]
        recipe = (
            Recipe(features="engine:diff", keys=keys, columns=[c.W, c.L]) if csv else Recipe(keys=keys, columns=names)
        )
        raw = dict.fromkeys([c.W, c.L] if csv else names, "float64") | ({} if csv else {"id": "int64"})
        manifest = artifact.ModelManifest(
            digest=digest,
            file=f"model-{digest[:12]}.joblib",
            flavor="joblib",
            estimator=type(estimator).__name__,
            signature=artifact.Signature(
                raw, tuple(names), outputs_and_labels(estimator, sample)[0], matrix_methods(estimator, sample)
            ),
            recipe=recipe,
            recipe_digest=recipe.digest,
            metrics={},
            metrics_on="",
            training=TrainingRecord("", (), (), rows_read=0, rows_trained=0),
            profile=reference_profile(estimator, sample),
            created="",
            code={},
            packages=[type(estimator).__module__.partition(".")[0]],
        )
        artifact.save(Location(uri), data, manifest)
    return ModelRef(uri, digest)


def accelerated_artifact_of(model_path: str, names: list[str], sample: str) -> Any:
    """The workload's joblib file imported and compiled, checked on the first rows of the file `sample`; made once."""
    import pyarrow.parquet as pq

    from airflow_batchscore import PartitionedDataset, Recipe
    from airflow_batchscore.errors import ModelMissingError
    from airflow_batchscore.model.reference import resolve, set_alias
    from airflow_batchscore.training.imported import import_model
    from airflow_batchscore.training.train import TrainingJob, train

    folder = Path(c.ROOT) / "accelerated" / Path(model_path).stem
    with contextlib.suppress(ModelMissingError):
        return resolve(f"{folder}/versions@compiled")
    if not importlib.util.find_spec("daal4py"):
        c.skip("the extra `accelerate` is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pq.ParquetFile(sample).read_row_group(0).slice(0, 20_000), folder / "sample.parquet")
    job = TrainingJob(
        dataset=PartitionedDataset(f"{folder}/{{name}}.parquet"),
        partitions=["sample"],
        recipe=Recipe(keys=["id"], columns=names),
        estimator=import_model(model_path, sha256=hashlib.sha256(Path(model_path).read_bytes()).hexdigest()),
        model_uri=f"{folder}/versions",
        accelerate=True,
    )
    trained = train(job)
    set_alias(job.model_uri, "compiled", trained.ref, job.began)
    return trained.ref


def load_model(ref: Any) -> None:
    """Start-up, as the limit counts it: libraries and model in memory."""
    import pandas  # noqa: F401, ICN001 - what a recipe's function needs

    from airflow_batchscore.model import artifact
    from airflow_batchscore.model.model_code import model_code

    # With the code that the task names to its workers: the model is kept under it, and would be loaded twice otherwise.
    artifact.load(ref, code=model_code(artifact.read_manifest(ref)))


class Started:
    """An engine whose workers run already, so that start-up and work are told apart."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def session(self, slots: int = 1) -> Any:
        """The workers there are."""
        return contextlib.nullcontext(self._session)

    def describe(self) -> dict[str, Any]:
        """Nothing for the manifest."""
        return {}


def preload() -> None:
    """What a process that tasks are forked from has imported."""
    import airflow_batchscore.preload

    airflow_batchscore.preload.preload()


def engine_of_mode() -> Any:
    """The engine that the command line names."""
    if mode == "pool":
        from pool import ThreadPool

        return ThreadPool()
    from airflow_batchscore import LocalDask

    return LocalDask(processes={"processes": True, "threads": False, "auto": "auto"}[mode])


def publish(manifests: list[Any], output: str) -> None:
    """What `CombineOperator` does with audited scores, on its default engine."""
    from airflow_batchscore import LocalDask
    from airflow_batchscore.publish.combine import combine
    from airflow_batchscore.publish.stamp import Publication

    rows = combine(manifests, Location(output), Publication(engine=LocalDask())).rows
    assert rows == sum(manifest.account.rows_scored for manifest in manifests)


def main() -> None:
    from airflow_batchscore import PartitionedDataset
    from airflow_batchscore.model.outputs import OutputSpec
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions

    kind, path, features, model_path = c.WORK[work]
    csv = kind == "csv"
    if "accelerated" in flags:
        ref = accelerated_artifact_of(model_path, c.feats(features), c.files(path)[0])
    else:
        ref = artifact_of(model_path, c.feats(features), kind)
    if "prepare" in flags:
        c.done()
        return
    folder, name = path.removesuffix(".csv").rsplit("/", 1)
    if "pack" in flags:
        uri, names = f"{path}/{{name}}.parquet", [Path(file).stem for file in c.files(path)]
    else:
        uri, names = f"{folder}/{{name}}" + (".csv" if csv else "/"), [name]
    job = ScoringJob(
        PartitionedDataset(uri, read_options={"column_types": {c.W: "float64"}} if csv else {}),
        OneModel(ref),
        c.fresh(f"{c.OUT}/scores"),
        OutputSpec.of("predict") if csv else OutputSpec.of("predict_proba", ["prediction_1"]),
    )
    if "preloaded" in flags:
        preload()
    c.mark("began")
    with engine_of_mode().session() as session:
        list(session.run(load_model, [(ref,)]))
        c.mark("ready")
        done = score_partitions(job, [{"name": each} for each in names], Started(session))
        c.mark("scored")
    manifests = [manifest for manifest, _ in done]
    for flag, output in (("to-file", "published.parquet"), ("to-folder", "published")):
        if flag in flags:
            publish(manifests, c.fresh(f"{c.OUT}/out") + f"/{output}")
            c.mark("published")
    rows = sum(manifest.account.rows_scored for manifest in manifests)
    c.done(rows=rows, blocks=sum(len(manifest.blocks) for manifest in manifests))


if __name__ == "__main__":
    sys.modules["engine"] = sys.modules["__main__"]
    main()
