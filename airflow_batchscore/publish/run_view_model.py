"""What a run's page says of its model, which is read from storage, and of its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.kinds import table_from
from airflow_batchscore.errors import BatchScoreError, OutputError
from airflow_batchscore.model.artifact import read_manifest
from airflow_batchscore.model.listing import finite, read_alias
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import ChampionAndChallenger, NoModel
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.read_with import ReadWith, read_with
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.training.evaluation import history

_MOST_EVALUATIONS = 20
_MOST_ALIASES = 100


def models_of(entries: Sequence[PlanEntry]) -> list[ModelRef]:
    """Every model whose scores a plan may publish, each once; the first stands for the others."""
    return list(dict.fromkeys(ref for entry in entries for ref in _published(entry)))


def _published(entry: PlanEntry) -> list[ModelRef]:
    match entry.models:
        case NoModel():
            return []
        case ChampionAndChallenger(champion):
            return [champion]
        case models:
            return models.pinned


def model_card(ref: ModelRef, others: int) -> JsonObject:
    """``ModelCard`` of the pages, read from the version's folder.

    Raises:
        ModelError: the version is gone, or not the one that was pinned.
        OSError: storage failed.
    """
    manifest = read_manifest(ref)
    problem = None
    evaluations, aliases = [], []
    try:
        evaluations = [
            {
                "when": each.evaluated,
                "partitions": each.partitions,
                "metrics": finite(each.metrics),
                "problems": each.problems,
            }
            for each in reversed(history(ref)[-_MOST_EVALUATIONS:])
        ]
        aliases = _aliases(ref)
    except (BatchScoreError, OSError, ValueError, TypeError, KeyError) as error:
        problem = f"the aliases or evaluations of the model could not be read: {error}"
    return {
        **_nameplate(ref),
        "estimator": manifest.estimator,
        "flavor": manifest.flavor,
        "created": manifest.created,
        "metrics": finite(manifest.metrics),
        "metrics_on": manifest.metrics_on,
        "trained_on": list(manifest.training.partitions),
        "rows_trained": manifest.training.rows_trained,
        "raw": manifest.signature.raw,
        "outputs": manifest.signature.outputs,
        "features": list(manifest.signature.features),
        "libraries": manifest.libraries,
        "aliases": aliases,
        "evaluations": evaluations,
        "problem": problem,
        "others": others,
    }


def blank_card(ref: ModelRef, others: int, problem: str) -> JsonObject:
    """The card of a model that could not be read: what the plan knows."""
    return {
        **_nameplate(ref),
        "estimator": "",
        "flavor": "",
        "created": "",
        "metrics": {},
        "metrics_on": "",
        "trained_on": [],
        "rows_trained": 0,
        "raw": {},
        "outputs": {},
        "features": [],
        "libraries": {},
        "aliases": [],
        "evaluations": [],
        "problem": problem,
        "others": others,
    }


def _nameplate(ref: ModelRef) -> JsonObject:
    return {
        "uri": ref.location.parent.uri,
        "version": ref.version,
        "digest": ref.digest,
        "compiled": ref.compiled,
    }


def _aliases(ref: ModelRef) -> list[str]:
    """Those that point at this version now."""
    model = ref.location.parent
    files = [file for file in storage.list_files(model / "aliases") if file.uri.endswith(".json")][:_MOST_ALIASES]
    aliases = storage.each(lambda file: read_alias(model, file), files, model.uri)
    return [alias.alias for alias in aliases if alias.version == ref.version]


def output_view(
    published: PublishedRun,
    when: str | None,
    is_earlier: bool,
    generation: int | None,
    report: str,
    fields: Sequence[str],
) -> JsonObject:
    """``OutputView`` of the pages: what was published.

    Args:
        is_earlier: whether an earlier try of the task did.
        report: path of the report on the API server.
        fields: of the partitions, in order.
    """
    changes = ("added", "replaced", "unchanged", "kept", "dropped")
    return {
        "uri": published.output,
        "published": when,
        "is_earlier": is_earlier,
        "generation": generation,
        "rows": published.rows,
        "changes": {name: getattr(published, name) for name in changes},
        "report": report,
        "table_version": published.version or None,
        "read_with": [asdict(line) for line in _lines(published, fields)],
    }


def _lines(published: PublishedRun, fields: Sequence[str]) -> list[ReadWith]:
    """None for an output of a package that is not installed here."""
    table = table_from(published.table)
    if published.table and table is None:
        return []
    try:
        return read_with(target_of(Location(published.output), table), fields)
    except OutputError:
        return []
