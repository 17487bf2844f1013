"""`train` and `promote`: a version of a model, and the alias that points at it, by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from airflow_batchscore.api.model import Model
from airflow_batchscore.api.reach import absolute, usable, usable_dataset, usable_engine
from airflow_batchscore.api.work import BY_HAND, who
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import ModelError, ModelMissingError, listed
from airflow_batchscore.model import artifact
from airflow_batchscore.model.listing import list_model
from airflow_batchscore.model.name_template import template_fields
from airflow_batchscore.model.recipe import Recipe
from airflow_batchscore.model.reference import ModelRef, resolve, set_alias
from airflow_batchscore.model.trust import TRUST_ALL, ModelAccess, Trust
from airflow_batchscore.training.gate import CheckedModel, metric_checks, require_passed
from airflow_batchscore.training.metrics import Metric
from airflow_batchscore.training.train import TrainingJob
from airflow_batchscore.training.train import train as train_job


def train(
    dataset: PartitionedDataset | str,
    partitions: object,
    recipe: Recipe,
    estimator: object,
    *,
    model_uri: str,
    alias: str | None = None,
    holdout: object = None,
    metrics: Sequence[Metric] | None = None,
    flavor: str = "auto",
    incremental: bool = False,
    engine: Engine | None = None,
    retrain: bool = False,
    conn_id: str | None = None,
    signing_key: bytes | None = None,
) -> Model:
    """Train a version and save it, as `TrainOperator` does; the same inputs give the version that is there already.

    Args:
        dataset, partitions, recipe, estimator, model_uri, alias, holdout, metrics, flavor, incremental, engine: see
            `TrainOperator`.
        retrain: train again even if these inputs have been trained on.
        conn_id: for the model.
        signing_key: signs ``model.json``; see `Trust`.

    Raises:
        InputError, RecipeError, ModelError: nothing was saved.
    """
    if template_fields(model_uri):
        raise ModelError(f"model_uri={model_uri!r}: a model for each value is trained by TrainOperator")
    place = usable(Location(model_uri, conn_id))
    job = TrainingJob(
        dataset=usable_dataset(dataset),
        partitions=partitions,
        recipe=recipe,
        estimator=estimator,
        model_uri=place.uri,
        holdout=holdout,
        metrics=metrics,
        flavor=flavor,
        incremental=incremental,
        retrain=f"{BY_HAND}/{time.time_ns()}" if retrain else None,
        conn_id=place.conn_id,
        signing_key=signing_key,
    )
    with ExitStack() as cluster:
        client = cluster.enter_context(usable_engine(engine).client(1)) if engine is not None else None
        trained = train_job(job, client)
    if alias:
        set_alias(place.uri, alias, trained.ref, job.began, who())
    return Model(trained.ref)


def promote(
    model: str,
    alias: str,
    *,
    require: Mapping[str, str | Sequence[str]] | None = None,
    baseline: str | None = None,
    conn_id: str | None = None,
    trust: Trust | None = None,
) -> CheckedModel:
    """Point an alias at a version, if its metrics are within limits and its bytes are whole; see `CheckModelOperator`.

    Args:
        model: ``"<uri>/<version>"``, or ``"<uri>@<other alias>"``.
        require: metric -> limit, such as ``{"accuracy": ">=0.9"}``, or a list of limits, which must all hold.
        baseline: the model that `require` compares with.

    Returns:
        What was found; ``promoted_to`` is None if somebody moved the alias meanwhile.

    Raises:
        GateError: a metric is missing or outside its limit. The alias stays where it is.
        ModelError: the model does not exist, is damaged or not trusted.
    """
    began = time.time_ns()
    place = usable(Location(model, conn_id))
    access = ModelAccess(place.conn_id, trust or TRUST_ALL)
    ref = _there(place, access)
    manifest = artifact.verify(ref)
    other = (
        artifact.read_manifest(_there(Location(absolute(baseline), place.conn_id), access)).metrics
        if baseline
        else None
    )
    limits = [
        {metric: limit}
        for metric, given in (require or {}).items()
        for limit in ([given] if isinstance(given, str) else given)
    ]
    checks = [check for limit in limits for check in metric_checks(manifest.metrics, limit, other)]
    require_passed(checks, ref.uri)
    moved = set_alias(ref.location.parent.uri, alias, ref, began, who())
    return CheckedModel(
        model=ref.uri,
        version=ref.version,
        digest=ref.digest,
        metrics=manifest.metrics,
        baseline=other,
        promoted_to=alias if moved else None,
    )


def _there(model: Location, access: ModelAccess) -> ModelRef:
    """The version. Raises ModelMissingError that names the aliases there are, if the alias is not one of them."""
    try:
        return resolve(model.uri, access)
    except ModelMissingError as error:
        base, at, alias = model.uri.rpartition("@")
        aliases = [each.alias for each in list_model(Location(base, model.conn_id)).aliases] if at else [alias]
        if alias in aliases:
            raise
        there = f"there are {listed(aliases)}" if aliases else "there is no other"
        raise ModelMissingError(
            f"model {model.uri!r}: there is no alias {alias!r} at {base}; {there}. Name a version, '<uri>/<version>', "
            "or an alias that is there"
        ) from error
