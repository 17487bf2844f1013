"""What a task read, wrote and counted: asset events, lineage and metrics are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.errors import listed
from airflow_batchscore.operators.partition_keys import event_key
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check

if TYPE_CHECKING:
    from airflow_batchscore.data.dataset import Partition
    from airflow_batchscore.model.artifact import ModelManifest
    from airflow_batchscore.model.reference import ModelRef
    from airflow_batchscore.publish.state import ScoringRun
    from airflow_batchscore.publish.summary import Summary
    from airflow_batchscore.publish.verdict import Audit
    from airflow_batchscore.scoring.manifest import Manifest
    from airflow_batchscore.scoring.pair import Scored
    from airflow_batchscore.training.evaluation import Evaluation
    from airflow_batchscore.training.train import TrainedModel


@dataclass(frozen=True)
class Data:
    """A data set, a model or scores, as a task read or wrote it.

    Attributes:
        uri: as the DAG names it, rendered: the template of a dataset, the folder of a model's versions.
        partitions: field values of those read or written.
        columns: column -> type.
        version: of a model, or of a table.
        rows, size, files: read or written; size in bytes. None if not known.
        extra: for the event of its asset; None if the task raises no event for it.
        event_keys: of the partitions that changed, for a task that raises an event for each; a model's are its
            versions. None if it has no partitions.
    """

    uri: str
    partitions: Sequence[Values] = ()
    columns: Mapping[str, str | None] = field(default_factory=dict)
    version: str | None = None
    rows: int | None = None
    size: int | None = None
    files: int | None = None
    extra: JsonObject | None = None
    event_keys: Sequence[str] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a task read and wrote.

    Attributes:
        account: rows of partitions that this task itself scored.
        gauges: metric -> value.
        checks: what a gate looked at in what it read.
        notices: in sentences, what people should look at although the task passed.
    """

    reads: Sequence[Data] = ()
    writes: Sequence[Data] = ()
    account: Account | None = None
    gauges: Mapping[str, float] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    notices: Sequence[str] = ()


def trained_one(dataset: str, model: TrainedModel, alias: str | None, run: str) -> Outcome:
    """A version was trained or imported on partitions of `dataset`."""
    made, folder = model.manifest, model.ref.location.parent.uri
    record = made.training
    extra = {
        **_version(model.ref, run),
        "metrics": dict(made.metrics),
        "rows": record.rows_trained,
        "partitions": len(record.partitions),
        "reused": model.reused,
    }
    data = Data(dataset, columns=made.signature.raw, rows=record.rows_read)
    names = [folder, f"{folder}@{alias}"] if alias else [folder]
    return Outcome([data], [_version_written(name, model.ref, extra) for name in names])


def trained_many(dataset: str, model_uri: str, alias: str | None, figures: JsonObject, run: str) -> Outcome:
    """Many models were trained; `figures` are those that the task returns."""
    extra = {"trained": figures["trained"], "reused": figures["reused"], "failed": figures["failed"], "run": run}
    names = [model_uri, f"{model_uri}@{alias}"] if alias else [model_uri]
    return Outcome([Data(dataset)], [Data(name, extra=extra) for name in names])


def checked_model(
    ref: ModelRef, model: ModelManifest, checks: Sequence[Check], promoted_to: str | None, run: str
) -> Outcome:
    """A version was checked, and maybe an alias was pointed at it; it may have been refused."""
    folder = ref.location.parent.uri
    extra = {**_version(ref, run), "metrics": dict(model.metrics)}
    promoted = [_version_written(f"{folder}@{promoted_to}", ref, extra)] if promoted_to else []
    return Outcome([_model_read(ref)], promoted, checks=checks)


def evaluated(dataset: str, ref: ModelRef, evaluation: Evaluation, checks: Sequence[Check]) -> Outcome:
    """A version was measured on new labels."""
    problems = evaluation.problems
    return Outcome(
        [Data(dataset, rows=evaluation.rows), _model_read(ref)],
        checks=checks,
        notices=[f"model {ref.uri} has decayed: {'; '.join(problems)}"] if problems else [],
    )


def planned(
    dataset: str,
    partitions: Sequence[Partition],
    models: Sequence[str],
    notices: Sequence[str] = (),
    version: str | None = None,
) -> Outcome:
    """A run was planned. `version`: of the table that was looked at."""
    data = Data(dataset, partitions=[partition.values for partition in partitions], version=version)
    named = [Data(name) for name in dict.fromkeys(map(_without_version, models))]
    return Outcome([data, *named], notices=notices)


def scored_partitions(dataset: str, staging: str, results: Sequence[Scored]) -> Outcome:
    """Partitions were scored, or found committed; rows are counted once where a challenger scored them, too."""
    manifests = [one.manifest for one in results]
    new = [one.manifest for one in results if not one.reused]
    challengers = [one.challenged[0] for one in results if isinstance(one.challenged, tuple)]
    seconds, blocks = sum(manifest.seconds for manifest in new), sum(len(manifest.blocks) for manifest in new)
    gauges = {}
    if seconds and blocks:
        gauges["rows_per_second"] = sum(manifest.rows_this_attempt for manifest in new) / seconds
        gauges["seconds_per_block"] = seconds / blocks
    account = sum((manifest.account for manifest in new), Account())
    return Outcome(
        [_data_read(dataset, manifests), *_models_read([*manifests, *challengers])],
        [_written(staging, manifests)],
        account,
        gauges,
        _accounted(manifests),
        [*_quarantined(manifests), *_failed_challengers(results)],
    )


def audited(staging: str, audit: Audit) -> Outcome:
    """Scores were checked; they may have been refused."""
    manifests, drift = audit.manifests, audit.figures.max_drift
    return Outcome(
        [_written(staging, manifests)],
        gauges={} if drift is None else {"drift": drift},
        checks=audit.checks,
        notices=[*_quarantined(manifests), *audit.notices],
    )


def published_scores(
    output: str, summary: Summary, manifests: Sequence[Manifest], run: ScoringRun, *, retried: bool = False
) -> Outcome:
    """Scores were published at `output`.

    Args:
        retried: an earlier try may have published them without Airflow knowing, so that all count as changed.
    """
    drifts = [partition.drift for partition in summary.partitions if partition.drift is not None]
    changes = summary.changes
    written = _written(output, manifests)
    changed = {*changes.added, *changes.replaced, *(changes.unchanged if retried else ())}
    extra: JsonObject = {
        "rows": written.rows,
        "partitions": len(manifests),
        "changed": len(changes.added) + len(changes.replaced) + len(changes.dropped),
        **summary.account.to_dict(),
        "drift": max(drifts) if drifts else None,
        "model": summary.model.uri if summary.model else None,
        "version": summary.model.version if summary.model else None,
        "digest": summary.model.digest if summary.model else None,
        "generation": changes.generation,
        "run": run.name,
    }
    if changes.version:
        extra["table_version"] = changes.version
    keys = [event_key(manifest.partition) for manifest in manifests if manifest.key in changed]
    data = Data(
        output,
        written.partitions,
        written.columns,
        version=changes.version or None,
        rows=written.rows,
        extra=extra,
        event_keys=keys,
    )
    return Outcome(
        [_data_read(manifests[0].dataset, manifests), *_models_read(manifests)],
        [data],
        gauges={"drift": max(drifts)} if drifts else {},
        checks=_accounted(manifests),
    )


def _version(ref: ModelRef, run: str) -> JsonObject:
    return {"model": ref.uri, "version": ref.version, "digest": ref.digest, "run": run}


def _version_written(name: str, ref: ModelRef, extra: JsonObject) -> Data:
    return Data(name, version=ref.version, extra=extra, event_keys=[ref.version])


def _model_read(ref: ModelRef) -> Data:
    return Data(ref.location.parent.uri, version=ref.version)


def _models_read(manifests: Sequence[Manifest]) -> list[Data]:
    """The model of the scores, each once; of a model per partition there may be many."""
    refs = {manifest.model.uri: manifest.model for manifest in manifests if manifest.model}
    return [_model_read(refs[uri]) for uri in sorted(refs)]


def _without_version(model: str) -> str:
    """The folder of the versions, or the alias."""
    folder, _, last = model.rpartition("/")
    return model if "@" in last else folder


def _data_read(dataset: str, manifests: Sequence[Manifest]) -> Data:
    # Partitions may be of the rows of one file.
    files = list({file.uri: file for manifest in manifests for file in manifest.files}.values())
    return Data(
        dataset,
        [manifest.partition for manifest in manifests],
        rows=sum(manifest.account.rows_read for manifest in manifests),
        size=sum(file.size for file in files),
        files=len(files),
    )


def _written(uri: str, manifests: Sequence[Manifest]) -> Data:
    return Data(
        uri,
        [manifest.partition for manifest in manifests],
        manifests[0].schema,
        rows=sum(manifest.rows for manifest in manifests),
    )


def _accounted(manifests: Sequence[Manifest]) -> list[Check]:
    """Rows that were read and got no score, as checks of what was read; a gate decides what they mean."""
    account = sum((manifest.account for manifest in manifests), Account())
    return [
        Check("rows scored", str(account.rows_scored), "-"),
        Check("rows skipped", str(account.rows_skipped), "-"),
        Check("rows in quarantine", str(account.rows_quarantined), "-"),
    ]


def _failed_challengers(results: Sequence[Scored]) -> list[str]:
    failed = [(one.manifest.key, one.challenged) for one in results if isinstance(one.challenged, str)]
    if not failed:
        return []
    where = listed(key for key, _ in failed)
    return [f"the challenger has no scores of {where}, which does not affect the champion's: {failed[0][1]}"]


def _quarantined(manifests: Sequence[Manifest]) -> list[str]:
    """Which partitions have rows in quarantine, those with most of them first."""
    held = sorted((m for m in manifests if m.account.rows_quarantined), key=lambda m: -m.account.rows_quarantined)
    if not held:
        return []
    rows = sum(m.account.rows_quarantined for m in held)
    where = listed([f"{m.key} ({m.account.rows_quarantined})" for m in held])
    return [f"{number_of(rows, 'row')} in quarantine: {where}; for the reasons see {held[0].folder}/quarantine"]
