"""`Model`: a version of a model, to try on a frame as scoring would treat the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_batchscore.api.frames import batch_of, require
from airflow_batchscore.api.reach import usable
from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import ModelError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.loaded import LoadedModel
from airflow_batchscore.model.model_code import model_code
from airflow_batchscore.model.name_template import template_fields
from airflow_batchscore.model.outputs import METHODS, OutputSpec
from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.model.trust import TRUST_ALL, ModelAccess, Trust
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.scorers.scorer import BatchRules, Scorer, output_schema
from airflow_batchscore.scoring.scorers.specs import model_columns

if TYPE_CHECKING:
    import pandas as pd

_MOST_BAD = 1000


@dataclass(frozen=True)
class ScoredFrame:
    """What became of each row of a frame.

    Attributes:
        scores: keys and outputs of the scored rows, under the index of the frame.
        skipped: index labels of the rows that the recipe left out.
        quarantined: the rows that could not be scored, under the index of the frame, with ``error`` and ``message``.
        account: rows read = scored + skipped + quarantined.
    """

    scores: pd.DataFrame
    skipped: pd.Index
    quarantined: pd.DataFrame
    account: Account


class Model:
    """A version of a model, pinned when it was loaded; see `load`.

    Each method of the estimator that training recorded (``predict``, ``predict_proba``, ``decision_function``,
    ``transform``, ...) is a method here: it takes a frame of raw rows and returns a result for each row, under the
    frame's index: a Series, or a frame if there are several columns. A row that the recipe leaves out has a missing
    value; a row that cannot be scored raises ScoringError.

    Attributes:
        ref: the version, with its digest.
        manifest: the content of ``model.json``.
    """

    def __init__(self, ref: ModelRef, trust: Trust = TRUST_ALL) -> None:
        self.ref = ref
        self.manifest: ModelManifest = artifact.read_manifest(ref)
        self._trust = trust

    def __repr__(self) -> str:
        return f"<Model {self.ref.uri} {self.manifest.estimator}: {', '.join(self.methods)}>"

    @property
    def version(self) -> str:
        """Its name in the model's folder."""
        return self.ref.version

    @property
    def methods(self) -> list[str]:
        """The estimator's methods that can be called."""
        return [name for name in METHODS if name in self.manifest.signature.outputs]

    @property
    def columns(self) -> dict[str, str | None]:
        """Raw columns that a frame needs, with the type that each is given."""
        return model_columns(self.manifest, {})

    @property
    def card(self) -> JsonObject:
        """What is known of it, as plain JSON."""
        made, signature = self.manifest, self.manifest.signature
        return {
            "model": self.ref.uri,
            "version": self.version,
            "digest": self.ref.digest,
            "estimator": made.estimator,
            "flavor": made.flavor,
            "created": made.created,
            "metrics": dict(made.metrics),
            "metrics_on": made.metrics_on,
            "trained_on": list(made.training.partitions),
            "rows_trained": made.training.rows_trained,
            "columns": self.columns,
            "keys": list(made.recipe.keys),
            "features": list(signature.features),
            "outputs": {method: dict(columns) for method, columns in signature.outputs.items()},
            "libraries": dict(made.libraries),
        }

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.methods]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in METHODS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name not in self.methods:
            raise AttributeError(f"the model {self.ref.uri} has no {name}; it has {', '.join(self.methods)}")

        def method(frame: pd.DataFrame, *, allow_nan: bool = False) -> pd.Series | pd.DataFrame:
            return self._every_row(frame, name, allow_nan)

        method.__name__ = method.__qualname__ = name
        return method

    def score(
        self,
        frame: pd.DataFrame,
        *,
        method: str | Sequence[str] = "predict",
        keys: Sequence[str] = (),
        outputs: Sequence[str] | Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
        quarantine: int | float = _MOST_BAD,
        allow_nan: bool = False,
    ) -> ScoredFrame:
        """Score the rows of a frame as a scoring task would, and set apart those that cannot be scored.

        Features, types and checks are those of scoring. The whole frame is one block.

        Args:
            frame: raw rows, as they are read, before any features are made of them; any index.
            keys: columns of the frame to keep with the scores.
            quarantine: rows that may fail, a count or a share.
            method, outputs, flags, allow_nan: see `ScorePartitionOperator`.

        Raises:
            InputError: the frame lacks a column, or one has values of another kind than in training.
            ScoringError: more rows fail than `quarantine` allows, or predictions are unusable.
            RecipeError, ModelError: the problem affects more than single rows.
        """
        import pandas as pd
        import pyarrow as pa

        kept = [keys] if isinstance(keys, str) else list(keys)
        batch = batch_of(frame, self.columns)
        require(frame, kept)
        spec, limit = OutputSpec.of(method, outputs, flags), Limit.of(quarantine)
        scorer = Scorer(self._loaded, spec, BatchRules((), limit, allow_nan))
        output_schema(scorer.outputs, kept, dict.fromkeys(kept, pa.null()))  # refuses a key that is an output, too
        scored = scorer.score(batch, output_schema(scorer.outputs, (), {}))
        bad = sorted([*batch.bad, *scored.failed], key=lambda row: row.position)
        if not limit.allows(len(bad), len(frame)):
            raise _too_many(frame, bad)
        rows = batch.positions[scored.places]
        made: pd.DataFrame = scored.table.to_pandas()
        left_out = pd.RangeIndex(len(frame)).difference(rows).difference([row.position for row in bad])
        account = Account(len(frame), len(rows), len(left_out), len(bad)).check("the frame")
        set_apart = pd.DataFrame(
            [(row.error, row.message) for row in bad],
            columns=["error", "message"],
            index=frame.index[[row.position for row in bad]],
        )
        # Side by side, not by label: labels may repeat.
        together = frame[kept].iloc[rows].assign(**{str(name): made[name].array for name in made})
        return ScoredFrame(together, frame.index[left_out], set_apart, account)

    def _every_row(self, frame: pd.DataFrame, method: str, allow_nan: bool) -> pd.Series | pd.DataFrame:
        import pandas as pd

        numbered = frame.set_axis(pd.RangeIndex(len(frame)), axis=0) if isinstance(frame, pd.DataFrame) else frame
        # One row is searched for, to name it; none is left out of what comes back.
        result = self.score(numbered, method=method, quarantine=1, allow_nan=allow_nan)
        if len(result.quarantined):
            place, row = result.quarantined.index[0], result.quarantined.iloc[0]
            raise ScoringError(
                f"the row {frame.index[place]!r} cannot be scored: {row['error']}: {row['message']}. Fix the data or "
                "the recipe; model.score(frame) sets such rows apart and scores the others"
            )
        made = result.scores
        if len(made) < len(frame):
            whole = made.convert_dtypes(convert_string=False, convert_floating=False)
            made = whole.reindex(range(len(frame)))
        made.index = frame.index
        return made.iloc[:, 0] if len(made.columns) == 1 else made

    @cached_property
    def _loaded(self) -> LoadedModel:
        return artifact.load(self.ref, self._trust.types, model_code(self.manifest))


def _too_many(frame: pd.DataFrame, bad: Sequence[BadRow]) -> ScoringError:
    row = bad[0]
    return ScoringError(
        f"{len(bad)} of {len(frame)} rows cannot be scored; the row {frame.index[row.position]!r} for one: "
        f"{row.error}: {row.message}. Fix the data or the recipe, or raise quarantine="
    )


def load(model: str, *, conn_id: str | None = None, trust: Trust | None = None) -> Model:
    """A version of a model, to try on frames: ``load("s3://models/returns@champion").predict(frame)``.

    The alias is resolved now. The bytes are checked against the version's digest before they are deserialised.

    Args:
        model: ``"<uri>@<alias>"`` or ``"<uri>/<version>"``.
        conn_id: a connection given by `register_connection`, or Airflow's; None: what the environment has.
        trust: folders, signatures and types that it must have to be loaded; None trusts the model that you name.

    Raises:
        ModelError: there is no such model, it is damaged, or it is not trusted.
        InputError: there is no such connection.
    """
    fields = template_fields(model)
    if fields:
        names = ", ".join(f"{{{field}}}" for field in fields)
        raise ModelError(f"model={model!r} stands for many models: write a value for {names}")
    place = usable(Location(model, conn_id))
    trust = trust or TRUST_ALL
    return Model(resolve(place.uri, ModelAccess(place.conn_id, trust)), trust)
