"""This package on a benchmark workload, by the code that `ScorePartitionOperator` runs.

usage: python engine.py WORK threads|processes|auto [block_rows]
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from typing import Any

import common as c

work, mode, *rest = sys.argv[1:]


def diff(frame: Any) -> Any:
    """Features of the CSV workloads."""
    return (frame[c.W] - frame[c.L]).dropna().to_frame("diff")


def artifact_of(model_path: str, names: list[str], kind: str) -> Any:
    """The workload's joblib file as a model artifact, made once."""
    from pathlib import Path

    import joblib
    import numpy as np
    import pandas as pd

    from airflow_batchscore import Recipe
    from airflow_batchscore.data import storage
    from airflow_batchscore.model import artifact
    from airflow_batchscore.model.measure import matrix_methods, output_types, reference_profile
    from airflow_batchscore.model.reference import ModelRef

    data = Path(model_path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    uri = f"{c.ROOT}/artifacts/{kind}-{digest[:12]}"
    if storage.stat(f"{uri}/model.json") is None:
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
                raw, tuple(names), output_types(estimator, sample)[0], matrix_methods(estimator, sample)
            ),
            recipe=recipe,
            recipe_digest=recipe.digest,
            metrics={},
            metrics_on="",
            training={"partitions": [], "rows_trained": 0, "rows_read": 0},
            profile=reference_profile(estimator, sample),
            created="",
            code={},
            packages=[type(estimator).__module__.partition(".")[0]],
        )
        artifact.save(uri, data, manifest)
    return ModelRef(uri, digest)


def load_model(ref: Any) -> None:
    """Start-up, as the limit counts it: libraries and model in memory."""
    import pandas  # noqa: F401, ICN001 - what a recipe's function needs

    from airflow_batchscore.model import artifact

    artifact.load(ref)


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


def main() -> None:
    from airflow_batchscore import LocalDask, PartitionedDataset
    from airflow_batchscore.model.outputs import OutputSpec
    from airflow_batchscore.scoring.job import DEFAULT_BLOCK_ROWS, ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions

    kind, path, features, model_path = c.WORK[work]
    c.mark("import")
    ref = artifact_of(model_path, c.feats(features), kind)
    folder, name = path.removesuffix(".csv").rsplit("/", 1)
    uri = f"{folder}/{{name}}" + (".csv" if kind == "csv" else "/")
    job = ScoringJob(
        # The peers write the key as the number that it is.
        PartitionedDataset(uri, read_options={"column_types": {c.W: "float64"}} if kind == "csv" else {}),
        ref,
        c.fresh(f"{c.OUT}/engine-{work}-{mode}"),
        OutputSpec.of("predict") if kind == "csv" else OutputSpec.of("predict_proba", ["prediction_1"]),
        block_rows=int(rest[0]) if rest else DEFAULT_BLOCK_ROWS,
    )
    with LocalDask(processes={"processes": True, "threads": False, "auto": "auto"}[mode]).session() as session:
        list(session.run(load_model, [(ref,)]))
        c.mark("ready")
        ((manifest, _),) = score_partitions(job, [{"name": name}], Started(session))
        c.mark("scored")
    c.done(rows=manifest.account.rows_scored, blocks=len(manifest.blocks))


if __name__ == "__main__":
    sys.modules["engine"] = sys.modules["__main__"]
    main()
