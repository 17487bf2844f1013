"""The result of an audit, the verdict that is kept of it, and what `CheckScoresOperator` returns through XCom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.comparison_view import view
from airflow_batchscore.publish.coverage import scored_coverage
from airflow_batchscore.publish.drift import Drift, drift_limits
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check, as_lines, problems_of
from airflow_batchscore.scoring.manifest import Manifest

#: Incremented when the fields of `CheckedScores` change.
SCHEMA = 1


@dataclass(frozen=True)
class Limits:
    """What an audit allows. Values may be text from a template.

    Attributes:
        max_quarantined: rows (a count) or share of rows read (with a decimal point: ``0.01``) allowed across the run.
        max_skipped: the same for skipped rows, without those that a `ModelPolicy` skips; None: at least one of the rows
            read must be scored.
        max_drift: highest population stability index against the training data, of any feature or output column of any
            partition, or a mapping of columns to limits (see `ColumnLimits`); None skips this check. A partition whose
            drift cannot be measured is a problem.
        max_unseen: the same for the share of rows with a class of a feature that training did not see.
        max_outside: the same for the share of rows with a number outside the range that training saw.
        allow_missing: number of planned partitions that may lack a manifest.
        min_agreement: share of the rows to which the challenger must give the champion's class; None: no limit.
        max_difference: by name (``"p95"``, ``"mean"``, ``"max"``), highest absolute difference of the challenger's
            numbers from the champion's; None: no limit.
    """

    max_quarantined: float | str = 0
    max_skipped: float | str | None = None
    max_drift: float | str | Mapping[str, float | str] | None = None
    allow_missing: int = 0
    max_unseen: float | str | Mapping[str, float | str] | None = None
    max_outside: float | str | Mapping[str, float | str] | None = None
    min_agreement: float | str | None = None
    max_difference: Mapping[str, float | str] | None = None


@dataclass(frozen=True)
class Figures:
    """What an audit counted.

    Attributes:
        partitions: number of manifests.
        account: of all of them.
        max_drift: of any column of any partition; None if it was not measured.
        without_drift: number of partitions whose drift was to be measured and could not be.
        uncovered: number of partitions or values without a model of their own.
    """

    partitions: int
    account: Account
    max_drift: float | None
    without_drift: int
    uncovered: int

    def to_dict(self) -> JsonObject:
        """Plain JSON; the counts stand beside the other figures."""
        return {
            "partitions": self.partitions,
            **self.account.to_dict(),
            "max_drift": self.max_drift,
            "without_drift": self.without_drift,
            "uncovered": self.uncovered,
        }

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Figures:
        """The inverse of `to_dict`."""
        fields = {name: value[name] for name in cls.__dataclass_fields__ if name != "account"}
        return cls(**fields, account=Account.from_dict(value))


@dataclass(frozen=True)
class Audit:
    """Result of the audit. The run may be published if there are no `problems`.

    Attributes:
        drift: per partition; empty if no limit was set.
        checks: everything that was looked at.
        notices: in sentences, what people should look at although it is allowed.
        comparison: of the challenger with the champion, as JSON; None if there is no challenger.
        compared: what the challenger scored.
    """

    manifests: list[Manifest]
    account: Account
    drift: dict[str, Drift]
    checks: list[Check]
    notices: Sequence[str] = ()
    comparison: JsonObject | None = None
    compared: Sequence[Manifest] = ()

    @property
    def problems(self) -> list[str]:
        """What the checks found wrong."""
        return problems_of(self.checks)

    @property
    def is_compared(self) -> bool:
        """Whether a challenger was compared with the champion in all partitions."""
        compared = self.comparison or {"partitions_compared": 0}
        return bool(compared["partitions_compared"] == len(self.manifests) > 0)

    @property
    def figures(self) -> Figures:
        """What it counted."""
        worst = [drift.worst for drift in self.drift.values() if drift.worst is not None]
        covered = scored_coverage(self.manifests)
        return Figures(
            partitions=len(self.manifests),
            account=self.account,
            max_drift=round(max(value for _, value in worst), 4) if worst else None,
            without_drift=sum(drift.worst is None for drift in self.drift.values()),
            uncovered=len(covered.uncovered) if covered else 0,
        )

    def verdict(self, run: ScoringRun, limits: Limits) -> JsonObject:
        """Everything that was checked and found, as the JSON that is kept with the run."""
        return {
            "run": run.to_dict(),
            "limits": asdict(limits),
            "passed": not self.problems,
            "problems": self.problems,
            "checks": [check.to_dict() for check in self.checks],
            **self.figures.to_dict(),
            "scores": [{**_named(manifest), **self._drift(manifest)} for manifest in self.manifests],
            **self._of_challenger(),
        }

    def _of_challenger(self) -> JsonObject:
        if self.comparison is None:
            return {}
        return {"comparison": self.comparison, "challenger_scores": [_named(manifest) for manifest in self.compared]}

    def _drift(self, manifest: Manifest) -> JsonObject:
        drift = self.drift.get(manifest.key)
        if drift is None:
            return {}
        if drift.worst is None:
            return {"drift": None, "drift_is_not_measured_because": drift.reason}
        hardly_seen = {"drift_hardly_sees": list(drift.hardly_seen)} if drift.hardly_seen else {}
        return {"drift": round(drift.worst[1], 4), "drift_column": drift.worst[0], **hardly_seen}

    def require(self) -> Audit:
        """Raises GateError that lists every problem."""
        if self.problems:
            raise GateError(f"the scores did not pass{as_lines(self.problems)}")
        return self


def _named(manifest: Manifest) -> JsonObject:
    return {"partition": manifest.key, "manifest": manifest.uri, "digest": manifest.digest}


@dataclass(frozen=True)
class KeptVerdict:
    """A verdict as it is read back, for people.

    Attributes:
        checks: everything that the audit looked at.
        max_drift: highest drift (PSI) that it allowed of a column without a limit of its own; None if it set none.
        max_drift_of: column -> highest drift that it allowed of it.
        drifts: digest of a manifest -> PSI of the column that drifted most, and that column.
        comparison: of the challenger with the champion, as JSON; None if there was no challenger.
    """

    checks: Sequence[Check] = ()
    max_drift: float | None = None
    drifts: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    max_drift_of: Mapping[str, float] = field(default_factory=dict)
    comparison: JsonObject | None = None

    @classmethod
    def of(cls, verdict: Json) -> KeptVerdict | None:
        """Of `Audit.verdict`, which holds text where a template gave the limit; None for any other JSON."""
        try:
            allowed, comparison = verdict["limits"]["max_drift"], verdict.get("comparison")
            limits = None if allowed is None else drift_limits(allowed)
            return cls(
                checks=[Check.from_dict(check) for check in verdict.get("checks", [])],
                max_drift=limits.others if limits else None,
                max_drift_of=limits.own if limits else {},
                drifts={
                    score["digest"]: (score["drift"], str(score["drift_column"]))
                    for score in verdict.get("scores", [])
                    if score.get("drift") is not None and math.isfinite(score["drift"])
                },
                comparison=comparison if _can_be_shown(comparison) else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError, GateError):
            return None

    def to_dict(self) -> JsonObject:
        """Plain JSON: what the run report shows."""
        return {
            "checks": [check.to_dict() for check in self.checks],
            "max_drift": self.max_drift,
            "max_drift_of": dict(self.max_drift_of),
            **({"comparison": self.comparison} if self.comparison else {}),
        }

    def drift_allowed(self, column: str | None) -> float | None:
        """The highest drift that it allowed of a column; None if it did not limit it."""
        return self.max_drift if column is None else self.max_drift_of.get(column, self.max_drift)


@dataclass(frozen=True)
class CheckedScores:
    """What a passed check returns.

    Attributes:
        verdict: URI of the verdict.
        scores: what the scoring tasks returned, of which the check read every manifest: `ScoredTask` as JSON, with
            long lists still in files.
    """

    figures: Figures
    verdict: str
    scores: Sequence[JsonMapping]

    def to_dict(self) -> JsonObject:
        """Plain JSON; the figures stand beside the others."""
        return {"schema": SCHEMA, **self.figures.to_dict(), "verdict": self.verdict, "scores": list(self.scores)}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> CheckedScores:
        """Raises InputError for what another version of this package returned."""
        require_schema(
            value, SCHEMA, "the scores were checked", "clear the check, so that this version checks them again"
        )
        return cls(Figures.from_dict(value), value["verdict"], value["scores"])


def _can_be_shown(comparison: Json) -> bool:
    """Whether the report can show it: what is no comparison must not fail it."""
    try:
        view(comparison)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True
