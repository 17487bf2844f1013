"""`score`: plan, score, audit and, if asked, publish; what the operators do, in one process, by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_batchscore.api.progress import Progress, shown
from airflow_batchscore.api.reach import interpreter_of, target_to, usable, usable_engine, usable_table
from airflow_batchscore.api.work import ScoreOptions, Work
from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.data.unlabelled import unlabelled
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.combine import combine as publish
from airflow_batchscore.publish.combine import require_free_names
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.runs import VERDICT, leave_report, run_place, staged_runs_folder
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.publish.state import RunState, ScoringRun, read_manifests
from airflow_batchscore.publish.summary import summarise
from airflow_batchscore.publish.verdict import Audit, KeptVerdict, Limits
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.elsewhere import score_elsewhere
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.pair import score_run
from airflow_batchscore.scoring.scored import ScoredPartition
from airflow_batchscore.scoring.tally import Tally

if TYPE_CHECKING:
    import pandas as pd

#: The place of a task's id in the names of files.
_TASK = "score"


@dataclass(frozen=True)
class ScoredRun:
    """A run by hand that is scored and has passed its audit.

    Attributes:
        run: its name on storage.
        scored: what became of each partition.
        manifests: of the partitions, read back from storage, in the order of the partitions.
        audit: what was checked.
        verdict: URI of the JSON that says what was checked and found.
        published: None if nothing was published.
    """

    run: ScoringRun
    scored: Sequence[ScoredPartition]
    manifests: Sequence[Manifest]
    audit: Audit
    verdict: str
    published: PublishedRun | None = None

    @property
    def account(self) -> Account:
        """Rows read = scored + skipped + quarantined, of all partitions."""
        return self.audit.account

    @property
    def reused(self) -> Mapping[str, bool]:
        """Partition key -> whether its scores were committed before this run."""
        return {partition.key: partition.reused for partition in self.scored}

    @property
    def models(self) -> Sequence[str]:
        """What scored each partition: the model's version, or the function; of models by a column, the method."""
        return [manifest.model.version if manifest.model else manifest.method for manifest in self.manifests]

    def frame(self) -> pd.DataFrame:
        """All scores, with the partition's fields as text columns; they must fit in memory.

        Rows without a value of a field have none, as in what is published.

        Raises:
            OutputError: a column of the scores has the name of a field.
        """
        import pandas as pd

        require_free_names(self.manifests[0], "there is no frame")
        parts = [(manifest, manifest.folder / block.part) for manifest in self.manifests for block in manifest.blocks]
        frames = [_read(place).assign(**dict(manifest.columns)) for manifest, place in parts]
        fields = list(self.manifests[0].partition)
        made = pd.concat(frames, ignore_index=True)
        for name in fields:
            made[name] = made[name].where(made[name] != NO_VALUE)
        return made[[*fields, *(name for name in made.columns if name not in fields)]]

    def to_dict(self) -> JsonObject:
        """Plain JSON: what ``batchscore score --json`` prints."""
        return {
            "run": self.run.name,
            **self.account.to_dict(),
            "partitions": [
                {
                    "partition": partition.key,
                    "model": model,
                    "reused": partition.reused,
                    **partition.account.to_dict(),
                    "seconds": partition.seconds,
                    "manifest": partition.manifest,
                    "digest": partition.digest,
                }
                for partition, model in zip(self.scored, self.models, strict=True)
            ],
            "checks": [check.to_dict() for check in self.audit.checks],
            "verdict": self.verdict,
            "published": self.published.to_dict() if self.published else None,
        }


class ChecksError(GateError):
    """The scores did not pass.

    Attributes:
        run: what was scored and checked, and where the verdict is. Nothing of it was published.
    """

    run: ScoredRun


def score(
    dataset: PartitionedDataset | str,
    model: str | None = None,
    partitions: object = None,
    *,
    output_uri: str,
    publish_to: str | None = None,
    table: Table | None = None,
    engine: Engine | None = None,
    max_quarantined: int | float = 0,
    max_skipped: int | float | None = None,
    max_drift: float | Mapping[str, float] | None = None,
    max_unseen: float | Mapping[str, float] | None = None,
    max_outside: float | Mapping[str, float] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ScoredRun:
    """Score partitions, check the scores, and publish them if asked: the run of a DAG, in this process.

    Scores that a run in Airflow committed are reused, and the other way round.

    Args:
        dataset: what to score, or its URI.
        model: ``"<uri>@<alias>"`` or ``"<uri>/<version>"``; see `PlanPartitionsOperator`. None with ``function=``.
        partitions: as in `PlanPartitionsOperator`: a list, ``"2000..2016"``, None for all.
        output_uri: where scores are staged.
        publish_to: a ``.parquet`` or ``.csv`` file, a folder, or another output, as in `CombineOperator`.
        table: the kind of table that the folder `publish_to` holds: `Delta` or `Iceberg`.
        engine: where blocks are scored; default ``LocalDask()``, on this machine.
        max_quarantined, max_skipped, max_drift, max_unseen, max_outside: limits of the audit, see
            `CheckScoresOperator`.
        progress: called a few times a second with a `Count`: ``blocks``, ``blocks_total``, ``account``, ``seconds``.
        options: see `ScoreOptions`.

    Raises:
        ChecksError: a GateError: the audit failed. The scores stay staged, and nothing was published.
        BatchScoreError: a partition cannot be scored; those that were completed are committed.
    """
    chosen, how = ScoreOptions.of(options, score), usable_engine(engine)
    target_to(publish_to, table, chosen.conn_id, output_uri)  # refuses it before the work
    work = chosen.work(dataset, model, partitions, output_uri)
    job = work.job
    limits = Limits(max_quarantined, max_skipped, max_drift, max_unseen=max_unseen, max_outside=max_outside)
    tally = Tally(len(work.partitions))
    with shown(tally, progress):
        scored = [
            ScoredPartition.of(manifest, reused=reused, run=work.run.name, generation=work.began)
            for manifest, reused in _scored(work, how, tally)
        ]
    manifests = _reachable(RunState.read(scored, job.conn_id).manifests, work)
    notices = unlabelled(job.dataset, work.partitions)
    result = audit([partition.values for partition in work.partitions], manifests, limits, notices)
    place = run_place(staged_runs_folder(manifests), work.run, _TASK, VERDICT)
    storage.write_json(place, result.verdict(work.run, limits))
    run = ScoredRun(work.run, scored, manifests, result, place.uri)
    try:
        result.require()
    except GateError as error:
        failed = ChecksError(str(error))
        failed.run = run
        raise failed from None
    if publish_to is None:
        return run
    published = combine(
        run, publish_to, table=table, allow_empty=chosen.allow_empty, engine=engine, conn_id=chosen.conn_id
    )
    return replace(run, published=published)


def combine(
    run: ScoredRun,
    output_uri: str,
    *,
    table: Table | None = None,
    field_types: Mapping[str, str] | None = None,
    replace_all: bool = False,
    republish: bool = False,
    allow_empty: bool = False,
    engine: Engine | None = None,
    conn_id: str | None = None,
) -> PublishedRun:
    """Publish the scores of a run, and write its report beside them; see `CombineOperator`.

    Raises:
        GateError: newer scores are published, or a part differs from its manifest. Nothing was published.
        OutputError: the output cannot be replaced, or would replace a file of the dataset.
    """
    digests = [manifest.digest for manifest in run.manifests]
    read_manifests([manifest.uri for manifest in run.manifests], run.manifests[0].conn_id, digests)
    publication = Publication(
        run=run.run.name,
        generations={partition.key: partition.generation for partition in run.scored},
        replace_all=replace_all,
        republish=republish,
        allow_empty=allow_empty,
        engine=usable_engine(engine),
        field_types=dict(field_types or {}),
    )
    published = publish(list(run.manifests), usable(Location(output_uri, conn_id)), publication, usable_table(table))
    verdict = storage.read_json(run.manifests[0].location.at(run.verdict))
    passed = KeptVerdict.of(verdict) if verdict else None
    summary = summarise(list(run.manifests), published, run=run.run, reused=run.reused, passed=passed)
    return PublishedRun.of(published, leave_report(list(run.manifests), published, summary, _TASK))


def _scored(work: Work, engine: Engine, tally: Tally) -> list[tuple[Manifest, bool]]:
    values, python = [partition.values for partition in work.partitions], interpreter_of(engine)
    score_all = partial(score_elsewhere, python) if python else score_run
    return [(one.manifest, one.reused) for one in score_all(work.job, values, engine, slots=1, tally=tally)]


def _reachable(manifests: Sequence[Manifest], work: Work) -> list[Manifest]:
    """The manifests with models that this process can reach: who committed them may have used another connection."""
    known = {(ref.uri, ref.digest): ref for ref in work.job.scored_with.pinned}
    return [
        replace(manifest, model=known.get((manifest.model.uri, manifest.model.digest), manifest.model))
        if manifest.model
        else manifest
        for manifest in manifests
    ]


def _read(place: Location) -> pd.DataFrame:
    import pyarrow.parquet as pq

    fs, path = storage.filesystem(place)
    try:
        made: pd.DataFrame = pq.read_table(path, filesystem=fs, partitioning=None).to_pandas()
    except FileNotFoundError:
        raise InputError(f"{place} is gone: score the partition again with force") from None
    return made
