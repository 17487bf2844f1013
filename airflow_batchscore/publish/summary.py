"""The facts of a publication, which the run report shows and the JSON beside it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import airflow_batchscore
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.pattern import Values
from airflow_batchscore.model.artifact import read_manifest
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.model.training_record import LearningCurve, Search
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.coverage import Coverage, scored_coverage
from airflow_batchscore.publish.drift import Drift, partition_drifts, references_of
from airflow_batchscore.publish.estimated import Estimated
from airflow_batchscore.publish.features import FeatureFigures, RunFeature, each_partition, feature_list
from airflow_batchscore.publish.published import Published
from airflow_batchscore.publish.quarantined import Quarantined, look_into_quarantine
from airflow_batchscore.publish.read_with import ReadWith, read_with
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.verdict import KeptVerdict
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import Manifest


@dataclass(frozen=True)
class ModelFacts:
    """The only model of a run, as its artifact describes it.

    Attributes:
        metrics_on: what the metrics were measured on.
        trained_on: keys of partitions; of an imported model, those that it was measured on.
        rows_trained: 0 for an imported model.
        raw: column of the data -> type that the model expects; None takes the one in the file.
        features: names, in the order of the model's input.
        outputs: method -> output column -> type.
        compiled: engine and digest of the compiled model that scored; None if the estimator's library did.
        learning_curve, search: as training kept them; None if there was none.
    """

    uri: str
    version: str
    digest: str
    estimator: str
    flavor: str
    raw: Mapping[str, str | None]
    features: Sequence[str]
    outputs: Mapping[str, Mapping[str, str]]
    metrics: Mapping[str, float]
    metrics_on: str
    trained_on: Sequence[str]
    rows_trained: int
    created: str
    libraries: Mapping[str, str]
    compiled: str | None
    learning_curve: LearningCurve | None
    search: Search | None


@dataclass(frozen=True)
class PartitionFacts:
    """A partition of a publication.

    Attributes:
        values: of its fields.
        seconds: of the attempt that committed it.
        drift, drift_column: of the column that drifted most; None if it was not measured.
        manifest: URI.
        features: feature -> figures; None if there are none, or too many in the whole run (`MOST_FIGURES`).
    """

    partition: str
    values: Values
    account: Account
    reused: bool
    seconds: float
    rows_per_second: int
    blocks: int
    drift: float | None
    drift_column: str | None
    manifest: str
    features: Mapping[str, FeatureFigures] | None = None

    @classmethod
    def of(
        cls, manifest: Manifest, drift: Drift, *, reused: bool, features: Mapping[str, FeatureFigures] | None = None
    ) -> PartitionFacts:
        """The facts of a committed partition."""
        worst = drift.worst
        return cls(
            partition=manifest.key,
            values=manifest.partition,
            account=manifest.account,
            reused=reused,
            seconds=round(manifest.seconds, 3),
            rows_per_second=round(manifest.rows_per_second),
            blocks=len(manifest.blocks),
            drift=round(worst[1], 4) if worst else None,
            drift_column=worst[0] if worst else None,
            manifest=manifest.uri,
            features=features or None,
        )

    def to_dict(self) -> JsonObject:
        """Plain JSON; the counts stand beside the other facts."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("account", "features")},
            **self.account.to_dict(),
            "features": {name: figures.to_dict() for name, figures in self.features.items()} if self.features else None,
        }


@dataclass(frozen=True)
class Summary:
    """The facts of a publication.

    Attributes:
        version: of this package.
        output: URI.
        model: None if there is not exactly one.
        method: of the first partition.
        reused: number of partitions that were committed before this run.
        account: of all partitions.
        partitions: in their order.
        features: of the model's input, those that drifted most first; empty if nothing is known of them.
        passed: what the audit of these scores checked; None if there was none.
        estimate: what was predicted before scoring began; None if nothing was.
        quarantined: None if no row is in quarantine.
        read_with: lines of code that read the output.
    """

    run: ScoringRun
    version: str
    output: str
    changes: Changes
    model: ModelFacts | None
    coverage: Coverage | None
    method: str
    reused: int
    account: Account
    partitions: Sequence[PartitionFacts]
    features: Sequence[RunFeature]
    passed: KeptVerdict | None
    estimate: Estimated | None
    quarantined: Quarantined | None
    read_with: Sequence[ReadWith]

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {
            "run": self.run.to_dict(),
            "version": self.version,
            "output": self.output,
            "generation": self.changes.generation,
            **({"table_version": self.changes.version} if self.changes.version else {}),
            **self.changes.to_dict(),
            "model": asdict(self.model) if self.model else None,
            "coverage": asdict(self.coverage) if self.coverage else None,
            "method": self.method,
            "totals": {"partitions": len(self.partitions), "reused": self.reused, **self.account.to_dict()},
            "partitions": [partition.to_dict() for partition in self.partitions],
            "features": [feature.to_dict() for feature in self.features],
            "passed": self.passed.to_dict() if self.passed else None,
            "estimate": self.estimate.to_dict() if self.estimate else None,
            "quarantined": asdict(self.quarantined) if self.quarantined else None,
            "read_with": [asdict(line) for line in self.read_with],
        }


def summarise(
    manifests: Sequence[Manifest],
    published: Published,
    *,
    run: ScoringRun,
    reused: Mapping[str, bool],
    passed: KeptVerdict | None = None,
    estimate: Estimate | None = None,
) -> Summary:
    """The facts of a publication.

    Args:
        manifests: the published partitions, in order.
        reused: partition key -> whether its scores were committed before this run.
        passed: what their audit checked, if there was one.
        estimate: what their plan predicted, if it did.
    """
    references = references_of(manifests)
    drifts = partition_drifts(manifests, references)
    figures = each_partition(manifests, references)
    ref = one_model(manifests)
    return Summary(
        run=run,
        version=airflow_batchscore.__version__,
        output=published.target.location.uri,
        changes=published.changes,
        model=_model(ref) if ref else None,
        coverage=scored_coverage(manifests),
        method=manifests[0].method,
        reused=sum(reused.values()),
        account=sum((manifest.account for manifest in manifests), Account()),
        partitions=[
            PartitionFacts.of(
                manifest,
                drifts[manifest.key],
                reused=reused.get(manifest.key, False),
                features=figures.get(manifest.key),
            )
            for manifest in manifests
        ],
        features=feature_list(manifests, references, {key: drift.columns for key, drift in drifts.items()}),
        passed=passed,
        estimate=Estimated.of(estimate, manifests, reused) if estimate else None,
        quarantined=look_into_quarantine(manifests),
        read_with=read_with(published.target, list(manifests[0].partition)),
    )


def one_model(manifests: Sequence[Manifest]) -> ModelRef | None:
    """The model that scored all partitions; None if there are several or none."""
    refs = {manifest.model for manifest in manifests}
    return refs.pop() if len(refs) == 1 else None


def _model(ref: ModelRef) -> ModelFacts:
    model = read_manifest(ref)
    return ModelFacts(
        uri=ref.uri,
        version=ref.version,
        digest=ref.digest,
        estimator=model.estimator,
        flavor=model.flavor,
        raw=model.signature.raw,
        features=model.signature.features,
        outputs=model.signature.outputs,
        metrics=model.metrics,
        metrics_on=model.metrics_on,
        trained_on=model.training.partitions,
        rows_trained=model.training.rows_trained,
        created=model.created,
        libraries=model.libraries,
        compiled=ref.compiled,
        learning_curve=model.training.learning_curve,
        search=model.training.search,
    )
