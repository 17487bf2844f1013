"""What storage adds to a run's page: drift, the model card, profiles, quarantine. Named by sealed values alone.

What cannot be read is told in words. What is late makes the answer incomplete: the page asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence, Sized
from dataclasses import asdict, replace
from functools import partial

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import listed
from airflow_batchscore.model.artifact import ModelManifest, read_manifest
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plugin.reads import At, LateError, Reads, pool
from airflow_batchscore.plugin.returned import SECONDS
from airflow_batchscore.publish.quarantined import Quarantined, look_into_quarantine
from airflow_batchscore.publish.run_view_model import blank_card, model_card, models_of
from airflow_batchscore.publish.run_view_profiles import no_profiles, profiles_view, sample
from airflow_batchscore.publish.run_view_records import RunRecords, TaskRecord
from airflow_batchscore.publish.runs import audit_verdict, run_task
from airflow_batchscore.publish.state import ScoringRun, read_manifests
from airflow_batchscore.publish.summary import one_model
from airflow_batchscore.publish.verdict import KeptVerdict
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.scored import ScoredPartition

#: Manifests that one look at distributions or quarantine reads.
_MOST_MANIFESTS = 100
#: How long a section of a page waits for storage, in seconds: it shows nothing else.
_SECTION_SECONDS = 20.0
_sections = pool("sections")
_verdicts: Reads[Json] = Reads(most=256)
_cards: Reads[JsonObject] = Reads(most=64, fresh=30.0)
_models: Reads[ModelManifest] = Reads(most=64, threads=_sections)
_manifests: Reads[Manifest] = Reads(most=512, threads=_sections)
_quarantines: Reads[Quarantined | None] = Reads(most=64, fresh=30.0, threads=_sections)

Placed = tuple[ScoredPartition, str | None]


def with_drifts(records: RunRecords) -> RunRecords:
    """The records, with what the checks of the scores measured of each partition."""
    values, errors = _verdicts.get_all(
        {
            (place, task.try_number, task.ended): At(place, partial(_verdict, place))
            for task in records.of_kind("check_scores")
            if task.state in ("success", "failed")
            for place in _verdict_places(records, task)
        },
        SECONDS,
    )
    verdicts = [verdict for value in values.values() if (verdict := KeptVerdict.of(value))]
    verdicts.sort(key=lambda verdict: max((value for value, _ in verdict.drifts.values()), default=0.0))
    measured: dict[str, tuple[float, str]] = {}
    for verdict in verdicts:
        measured |= verdict.drifts
    limit = verdicts[-1].max_drift if verdicts else None
    is_late = any(isinstance(error, LateError) for error in errors.values())
    return replace(
        records,
        drifts=replace(records.drifts, limit=limit, partitions=measured),
        is_incomplete=records.is_incomplete or is_late,
    )


def _verdict_places(records: RunRecords, task: TaskRecord) -> set[Location]:
    """Where the check may have left what it found, passed or not: beside the scores of the stage that it checked."""
    first: dict[str, Placed] = {}
    for (stage, _), scored in records.scored.items():
        for each in scored.partitions[:1]:
            first.setdefault(stage, (each, scored.conn_id))
    run, name = ScoringRun(records.dag_id, records.run_id), run_task(task.task_id, task.map_index)
    return {audit_verdict(*placed, run, name) for placed in first.values()}


def _verdict(place: Location) -> Json:
    found = storage.read_json(connect(place))
    if found is None:
        raise FileNotFoundError(place.uri)  # remembered for a short time only: it may come
    return found


def card_of(records: RunRecords) -> tuple[JsonObject | None, bool]:
    """The card of the run's model, None if a function scores; and whether it is still being read."""
    models = models_of([entry for entries in records.plans for entry in entries])
    if not models:
        return None, False
    ref, others = models[0], len(models) - 1
    values, errors = _cards.get_all(
        {(ref, others): At(ref.location, lambda: model_card(_connected(ref), others))}, SECONDS
    )
    if card := values.get((ref, others)):
        return card, False
    error = errors[ref, others]
    return blank_card(ref, others, _said("the model", error)), isinstance(error, LateError)


def profiles_of(records: RunRecords, keys: Sequence[str]) -> JsonObject:
    """``ProfilesView``: of the partitions with these keys, or of a sample of all."""
    committed = _committed(records)
    chosen = sample([each for each in committed if not keys or each[0].key in keys], _MOST_MANIFESTS)
    manifests, error = _read_manifests(chosen)
    if error:
        return _no_profiles(committed, f"the manifests of {listed([each.key for each, _ in chosen])}", error)
    ref = one_model(manifests)
    reference = None
    if ref is not None:
        models, errors = _models.get_all(
            {ref: At(ref.location, lambda: read_manifest(_connected(ref)))}, _SECTION_SECONDS
        )
        if errors:
            return _no_profiles(committed, "the model", errors[ref])
        reference = models[ref].profile
    return profiles_view(manifests, reference, len(committed))


def quarantine_of(records: RunRecords) -> JsonObject:
    """``QuarantineView``: of the partitions with quarantined rows, as many as may be read at once."""
    rows = sum(task.account.rows_quarantined for task in records.scored.values())
    nothing = asdict(Quarantined(rows, 0, [], [], 0, 0, None))
    affected = [placed for placed in _committed(records) if placed[0].account.rows_quarantined]
    chosen = affected[:_MOST_MANIFESTS]
    manifests, error = _read_manifests(chosen)
    if error:
        return {**nothing, **_missing(f"the manifests of {listed([each.key for each, _ in chosen])}", error)}
    if not manifests:
        return {**nothing, "incomplete": False}
    digests = tuple(manifest.digest for manifest in manifests)
    values, errors = _quarantines.get_all(
        {digests: At(manifests[0].folder, lambda: look_into_quarantine(manifests))}, _SECTION_SECONDS
    )
    if errors:
        return {**nothing, **_missing("the rows in quarantine", errors[digests])}
    found = values[digests]
    return {**(asdict(found) if found else nothing), "rows": rows, "incomplete": False}


def _committed(records: RunRecords) -> list[Placed]:
    """Partitions that scoring tasks returned, and the connection of their storage."""
    return [(each, task.conn_id) for task in records.scored.values() for each in task.partitions]


def _read_manifests(placed: Sequence[Placed]) -> tuple[list[Manifest], Exception | None]:
    """The manifests, checked by their digests, and why one is missing."""

    def read(partition: ScoredPartition, conn_id: str | None) -> Manifest:
        location = connect(Location(partition.manifest, conn_id))
        return read_manifests([partition.manifest], location.conn_id, [partition.digest])[0]

    reads: dict[Hashable, Callable[[], Manifest]] = {
        (partition.manifest, partition.digest): At(
            Location(partition.manifest, conn_id), partial(read, partition, conn_id)
        )
        for partition, conn_id in placed
    }
    values, errors = _manifests.get_all(reads, _SECTION_SECONDS)
    return [values[name] for name in reads if name in values], next(iter(errors.values()), None)


def _connected(ref: ModelRef) -> ModelRef:
    return replace(ref, conn_id=connect(ref.location).conn_id)


def _no_profiles(committed: Sized, what: str, error: Exception) -> JsonObject:
    return {**no_profiles(0, len(committed), None), **_missing(what, error)}


def _missing(what: str, error: Exception) -> JsonObject:
    """The fields that say what is not there, for good or yet."""
    is_late = isinstance(error, LateError)
    return {"incomplete": is_late, "problem": None if is_late else _said(what, error)}


def _said(what: str, error: Exception) -> str:
    return f"{what} cannot be read: {error}"
