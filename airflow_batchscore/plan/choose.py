"""Resolve a plan's ``model=`` and find a usable model for each partition or each value of a column."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ModelError, ModelMissingError, listed
from airflow_batchscore.model import artifact
from airflow_batchscore.model.name_template import filled, models_of, template_fields
from airflow_batchscore.model.opening import other_versions
from airflow_batchscore.model.reference import GivenModel, ModelRef, resolve
from airflow_batchscore.model.trust import OPEN_ACCESS, ModelAccess
from airflow_batchscore.plan.models import (
    ChampionAndChallenger,
    Chosen,
    ModelByColumn,
    ModelPerPartition,
    Models,
    NoModel,
    OneModel,
    first_model,
)
from airflow_batchscore.plan.policy import ModelPolicy, Reason, time_of

log = logging.getLogger(__name__)

_MOST_NAMED = 20


def plan_models(
    model: GivenModel | Sequence[GivenModel] | None,
    dataset: PartitionedDataset,
    partitions: Sequence[Partition],
    policy: ModelPolicy | None = None,
    access: ModelAccess = OPEN_ACCESS,
) -> Models | NoModel:
    """Pin the model that `PlanPartitionsOperator(model=...)` was given.

    Args:
        model: several are a champion and its challenger.
        access: the connection of the models, and what may be loaded.

    Raises:
        InputError: the fields in the name are neither the dataset's nor a single column, no models match the name, or
            several are given that are not two, each of one version.
        ModelError: a model is missing or damaged, and the policy offers no alternative.
    """
    if model is None:
        return NoModel()
    if not isinstance(model, GivenModel):
        return _champion_and_challenger(model, policy, access)
    name, policy = model.name, policy or ModelPolicy()
    fields = template_fields(name) if model.digest is None else []
    own = [field for field in fields if field in dataset.fields]
    if not fields:
        ref = _pinned(model, access)
        log.info("model %s (%s)", ref.uri, ref.digest[:12])
        return OneModel(ref)
    if own == fields:
        names = {partition.key: filled(name, partition.values) for partition in partitions}
        choices = choose(names, policy, access)
        log.info("models: %s", planned_coverage(list(choices.values())))
        return ModelPerPartition(choices, first_model(choices))
    if own or len(fields) > 1:
        raise InputError(
            f"model={name!r}: its fields {fields} must be the dataset's ({list(dataset.fields)}), or one column"
        )
    root = Location(name.partition("{")[0].rpartition("/")[0], access.conn_id)
    access.trust.check_place(root)  # before anything is listed
    names = models_of(name, access.conn_id)
    if not names:
        raise InputError(f"model={name!r}: no model of this name is there; train and promote some first")
    choices = choose(names, policy, access)
    log.info("models by %s: %s", fields[0], planned_coverage(list(choices.values())))
    missing = None if policy.missing == "fail" else without_model(policy, access)
    return ModelByColumn(fields[0], choices, missing)


def _pinned(model: GivenModel, access: ModelAccess) -> ModelRef:
    ref = resolve(model, access)
    artifact.verify(ref)  # once here, before a thousand tasks fail on it
    return ref


def _champion_and_challenger(
    models: Sequence[GivenModel], policy: ModelPolicy | None, access: ModelAccess
) -> ChampionAndChallenger:
    names = [model.name for model in models]
    if len(names) != 2:
        raise InputError(
            f"model={names}: a list is the champion and its challenger, two models; {len(names)} were given. Plan a "
            "run for each further challenger"
        )
    fields = [name for model, name in zip(models, names, strict=True) if model.digest is None and template_fields(name)]
    if fields:
        raise InputError(
            f"model={names}: {fields[0]!r} stands for many models. A champion and its challenger are one version each "
            "for the whole run: name them without fields, or plan a run for each value"
        )
    if policy is not None:
        raise InputError(
            "model_policy= is for a model for each partition or value of a column; leave it out for a champion and its "
            "challenger, which both must be usable"
        )
    champion, challenger = (_pinned(model, access) for model in models)
    if champion == challenger:
        log.warning("champion and challenger are both %s: it scores once, and agrees with itself", champion.uri)
    else:
        log.info(
            "champion %s (%s), challenger %s (%s)",
            *(champion.uri, champion.digest[:12], challenger.uri, challenger.digest[:12]),
        )
    return ChampionAndChallenger(champion, challenger)


def choose(names: Mapping[str, str], policy: ModelPolicy, access: ModelAccess = OPEN_ACCESS) -> dict[str, Chosen]:
    """Choose a model for each name.

    Args:
        names: what the model is for (a partition's key) -> the model's name.

    Raises:
        ModelError: some have no usable model and the policy says fail, none has one, or a fallback is needed and there
            is none. All of them are named.
    """
    limits = policy.limits()
    wanted = list(dict.fromkeys(names.values()))
    results = storage.each(lambda name: _look(name, policy, limits, access), wanted, wanted[0] if wanted else "/")
    looked = dict(zip(wanted, results, strict=True))
    problems = {key: problem for key, name in names.items() if (problem := looked[name].problem)}
    failing = {key: problem for key, problem in problems.items() if policy.action_for(problem.reason) == "fail"}
    if failing:
        first = listed((f"{key}: {why.reason}: {why.text}" for key, why in failing.items()), "; ")
        raise ModelError(
            f"{len(failing)} of {len(names)} have no model that may be used: {first}. Train them, or say what to do in "
            "model_policy=ModelPolicy(missing='skip', ...)"
        )
    needed = any(policy.action_for(problem.reason) == "fallback" for problem in problems.values())
    fallback = _pin_fallback(policy, access) if needed else None
    chosen = {
        key: _instead(policy, problems[key].reason, fallback) if key in problems else Chosen(looked[name].ref)
        for key, name in names.items()
    }
    if not any(choice.model for choice in chosen.values()):
        raise ModelError(f"none of the {len(names)} has a model: {next(iter(problems.values())).text}")
    for key, problem in list(problems.items())[:_MOST_NAMED]:
        log.warning("%s: %s (%s)", key, chosen[key].note, problem.text)
    return chosen


def without_model(policy: ModelPolicy, access: ModelAccess = OPEN_ACCESS) -> Chosen:
    """What `policy` prescribes for something that turns out to have no model, unless it says fail."""
    return _instead(policy, "missing", _pin_fallback(policy, access))


def _pin_fallback(policy: ModelPolicy, access: ModelAccess) -> ModelRef | None:
    if not policy.fallback:
        return None
    ref = resolve(policy.fallback, access)
    artifact.verify(ref)
    return ref


def _instead(policy: ModelPolicy, reason: Reason, fallback: ModelRef | None) -> Chosen:
    if policy.action_for(reason) == "fallback":
        return Chosen(fallback, "fallback", reason)
    return Chosen(None, "skipped", reason)


@dataclass(frozen=True)
class _Problem:
    reason: Reason
    text: str


@dataclass(frozen=True)
class _Seen:
    ref: ModelRef | None
    problem: _Problem | None = None


def _look(
    name: str, policy: ModelPolicy, limits: tuple[datetime | None, datetime | None], access: ModelAccess
) -> _Seen:
    try:
        ref = resolve(name, access)
        manifest = artifact.verify(ref)
    except ModelMissingError as error:
        return _Seen(None, _Problem("missing", str(error)))
    except ModelError as error:
        return _Seen(None, _Problem("damaged", str(error)))
    created, (earliest, latest) = time_of(manifest.created), limits
    if latest and created > latest:
        return _Seen(ref, _Problem("too_new", f"{ref.uri} was trained {manifest.created}, after {latest.isoformat()}"))
    if earliest and created < earliest:
        text = f"{ref.uri} was trained {manifest.created}, before {earliest.isoformat()}"
        return _Seen(ref, _Problem("stale", text))
    others = other_versions(manifest) if policy.other_version != "use" else {}
    if others:
        differ = ", ".join(f"{library} {trained} (here {here})" for library, (trained, here) in others.items())
        return _Seen(ref, _Problem("other_version", f"{ref.uri} was trained with {differ}"))
    return _Seen(ref)


def planned_coverage(choices: Sequence[Chosen]) -> dict[str, int]:
    """How many have their own model, and how many do not and why."""
    counts: dict[str, int] = {}
    for choice in choices:
        label = "own model" if choice.status == "own" else choice.note
        counts[label] = counts.get(label, 0) + 1
    return counts
