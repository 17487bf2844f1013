"""What a plan's ``model=`` means: one model, one for each partition, one for each value of a column, or none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_batchscore.connections import connect
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.errors import InputError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.choice import (
    Chosen,
    ModelPolicy,
    choose,
    coverage,
    filled,
    models_of,
    template_fields,
    without_model,
)
from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.model.trust import Trust

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlannedModels:
    """At most one of `ref`, `choose` and `by_column`; none where a function takes the model's place.

    Attributes:
        name: for people; empty where there is no model.
        ref: the one model, pinned.
        choose: gives the model of each partition.
        by_column: ``{"column", "choices": [[value, choice], ...], "missing"}``, pinned, as JSON.
    """

    name: str = ""
    ref: ModelRef | None = None
    choose: Callable[[Sequence[Partition]], Mapping[str, Chosen]] | None = None
    by_column: dict[str, Any] | None = None


def planned_models(
    model: Any, policy: ModelPolicy | None, dataset: PartitionedDataset, conn_id: str | None, trust: Trust
) -> PlannedModels:
    """Read what `PlanPartitionsOperator(model=...)` was given.

    Args:
        trust: what may be loaded.

    Raises:
        InputError: the fields in the name are neither the data set's nor one column, or there are no models by it.
        ModelError: a model is not there or damaged, and the policy has no way out.
    """
    if not model:
        return PlannedModels()
    if isinstance(model, Mapping) and "digest" not in model:  # of many models that were trained, their name
        model = model["model"]
    name = str(model["model"]) if isinstance(model, Mapping) else str(model)
    known_as, policy = connect(name, conn_id), policy or ModelPolicy()
    fields = template_fields(model)
    own = [field for field in fields if field in dataset.fields]
    if not fields:
        ref = resolve(model, known_as, trust)
        artifact.verify(ref)  # once here, before a thousand tasks find it out
        return PlannedModels(f"{ref.uri} ({ref.digest[:12]})", ref)
    if own == fields:

        def of_partitions(partitions: Sequence[Partition]) -> Mapping[str, Chosen]:
            names = {partition.key: filled(name, partition.values) for partition in partitions}
            found = choose(names, policy, known_as, trust)
            log.info("models: %s", coverage(list(found.values())))
            return found

        return PlannedModels(name, choose=of_partitions)
    if own or len(fields) > 1:
        raise InputError(
            f"model={name!r}: its fields {fields} must be the data set's ({list(dataset.fields)}), or one column"
        )
    trust.check_place(name.partition("{")[0].rpartition("/")[0], known_as)  # before anything is listed
    names = models_of(name, known_as)
    if not names:
        raise InputError(f"model={name!r}: no model of this name is there; train and promote some first")
    found = choose(names, policy, known_as, trust)
    log.info("models by %s: %s", fields[0], coverage(list(found.values())))
    missing = None if policy.missing == "fail" else without_model(policy, known_as, trust).to_dict()
    choices = [[value, choice.to_dict()] for value, choice in found.items()]
    return PlannedModels(name, by_column={"column": fields[0], "choices": choices, "missing": missing})
