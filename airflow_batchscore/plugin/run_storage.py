"""What storage adds to a run's page: drift, the model card, profiles, quarantine. Named by sealed values alone.

Every function answers with what is there in time, and says in words what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, replace
from functools import partial

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import listed
from airflow_batchscore.model.artifact import ModelManifest, read_manifest
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plugin.reads import Reads
from airflow_batchscore.plugin.returned import SECONDS
from airflow_batchscore.publish.quarantined import Quarantined, look_into_quarantine
from airflow_batchscore.publish.run_view_model import blank_card, model_card, models_of
from airflow_batchscore.publish.run_view_profiles import no_profiles, profiles_view, sample
from airflow_batchscore.publish.run_view_records import RunRecords, TaskRecord
from airflow_batchscore.publish.runs import audit_verdict
from airflow_batchscore.publish.state import ScoringRun, read_manifests
from airflow_batchscore.publish.summary import one_model
from airflow_batchscore.publish.verdict import KeptVerdict
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.scored import ScoredPartition

#: Manifests that one look at distributions or quarantine reads.
_MOST_MANIFESTS = 100
#: A tab that shows what is on storage waits for it.
_PATIENCE = 20.0
_verdicts: Reads[Json] = Reads(most=256)
_cards: Reads[JsonObject] = Reads(most=64, fresh=30.0)
_models: Reads[ModelManifest] = Reads(most=64)
_manifests: Reads[Manifest] = Reads(most=512)
_quarantines: Reads[Quarantined | None] = Reads(most=64, fresh=30.0)

Placed = tuple[ScoredPartition, str | None]


def with_drifts(records: RunRecords) -> RunRecords:
    """The records, with what the newest check of the scores measured of each partition."""
    over = [task for task in records.of_kind("check_scores") if task.state in ("success", "failed")]
    if not over:
        return records
    verdict = KeptVerdict.of(_verdict(records, max(over, key=lambda task: task.ended or records.now)))
    if verdict is None:
        return records
    measured = {
        each.key: verdict.drifts[each.digest] for each, _ in _committed(records) if each.digest in verdict.drifts
    }
    return replace(records, drifts=replace(records.drifts, limit=verdict.max_drift, partitions=measured))


def _verdict(records: RunRecords, task: TaskRecord) -> Json:
    """What the check left on storage, passed or not; None if it is not there (yet)."""
    first = next(iter(_committed(records)), None)
    if first is None:
        return None
    name = task.task_id if task.map_index < 0 else f"{task.task_id}-{task.map_index}"
    location = audit_verdict(*first, ScoringRun(records.dag_id, records.run_id), name)
    key = location, task.try_number, task.ended
    values, _ = _verdicts.get_all({key: lambda: storage.read_json(connect(location))}, SECONDS)
    return values.get(key)


def card_of(records: RunRecords) -> JsonObject | None:
    """The card of the run's model; None if a function scores."""
    models = models_of([entry for entries in records.plans for entry in entries])
    if not models:
        return None
    ref, others = models[0], len(models) - 1
    values, errors = _cards.get_all({(ref, others): lambda: model_card(_connected(ref), others)}, SECONDS)
    return values.get((ref, others)) or blank_card(ref, others, _said("the model", errors[ref, others]))


def profiles_of(records: RunRecords, keys: Sequence[str]) -> JsonObject:
    """``ProfilesView``: of the partitions with these keys, or of a sample of all."""
    committed = {each.key: (each, conn_id) for each, conn_id in _committed(records)}
    chosen = sample([key for key in keys if key in committed] if keys else list(committed), _MOST_MANIFESTS)
    manifests, problem = _read_manifests([committed[key] for key in chosen])
    if problem:
        return no_profiles([], len(committed), problem)
    ref = one_model(manifests)
    reference = None
    if ref is not None:
        models, errors = _models.get_all({ref: lambda: read_manifest(_connected(ref))}, _PATIENCE)
        if errors:
            return no_profiles(chosen, len(committed), _said("the model", errors[ref]))
        reference = models[ref].profile
    return profiles_view(manifests, reference, len(committed))


def quarantine_of(records: RunRecords) -> JsonObject:
    """``QuarantineView``: of the partitions with quarantined rows, as many as may be read at once."""
    rows = sum(task.account.rows_quarantined for task in records.scored.values())
    affected = [placed for placed in _committed(records) if placed[0].account.rows_quarantined]
    manifests, problem = _read_manifests(affected[:_MOST_MANIFESTS])
    digests = tuple(manifest.digest for manifest in manifests)
    values, errors = _quarantines.get_all({digests: lambda: look_into_quarantine(manifests)}, _PATIENCE)
    found = values.get(digests) or Quarantined(rows, 0, [], [], 0, 0, None)
    if errors:
        problem = problem or _said("the rows in quarantine", errors[digests])
    return {**asdict(found), "rows": rows, "problem": problem or found.problem}


def _committed(records: RunRecords) -> list[Placed]:
    """Partitions that scoring tasks returned, and the connection of their storage."""
    return [(each, task.conn_id) for task in records.scored.values() for each in task.partitions]


def _read_manifests(placed: Sequence[Placed]) -> tuple[list[Manifest], str | None]:
    """The manifests, checked by their digests, and why some are missing."""

    def read(partition: ScoredPartition, conn_id: str | None) -> Manifest:
        location = connect(Location(partition.manifest, conn_id))
        return read_manifests([partition.manifest], location.conn_id, [partition.digest])[0]

    reads: dict[Hashable, Callable[[], Manifest]] = {
        (partition.manifest, partition.digest): partial(read, partition, conn_id) for partition, conn_id in placed
    }
    values, errors = _manifests.get_all(reads, _PATIENCE)
    problem = _said(f"the manifests of {listed([each.key for each, _ in placed])}", next(iter(errors.values()), None))
    return [values[name] for name in reads if name in values], problem if errors else None


def _connected(ref: ModelRef) -> ModelRef:
    return replace(ref, conn_id=connect(ref.location).conn_id)


def _said(what: str, error: Exception | None) -> str:
    return f"{what} cannot be read: {error}"
