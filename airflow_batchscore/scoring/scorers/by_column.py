"""A model per value of a column: a partition holds rows of many sensors, and each row is scored with its own model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.model_code import Code
from airflow_batchscore.model.model_names import model_names
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import Chosen, ModelByColumn
from airflow_batchscore.quality import profile
from airflow_batchscore.quality.beyond import Beyond
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.scorers.scorer import BatchRules, BatchScorer, ScoredBatch, Scorer, sorted_batch
from airflow_batchscore.scoring.scorers.shared_features import SharedFeatures
from airflow_batchscore.scoring.scorers.specs import Unit

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class ModelSet:
    """The models that a run uses, pinned together: a file named after its content.

    Attributes:
        missing: how to treat a value that is not in it.
        like: one of the models, whose recipe defines what is read and whose outputs all must have.
    """

    location: Location
    digest: str
    missing: Chosen | None
    like: ModelRef

    def load(self) -> dict[str, Chosen]:
        """Value of the column -> its model. Raises ModelError if the file is gone or was altered."""
        return _load_set(self.location, self.digest)


def save_set(models: ModelByColumn, folder: Location) -> ModelSet:
    """Write the models of a run below `folder`; the same models give the same file."""
    data = storage.json_bytes({value: choice.to_dict() for value, choice in sorted(models.choices.items())})
    digest = hashlib.sha256(data).hexdigest()
    file = folder / f"{digest[:16]}.json"
    if storage.stat(file) is None:
        storage.write_bytes(file, data)
    return ModelSet(file, digest, models.missing, models.like)


@lru_cache(maxsize=4)
def _load_set(file: Location, digest: str) -> dict[str, Chosen]:
    try:
        data = storage.read_bytes(file)
    except FileNotFoundError:
        raise ModelError(f"{file}, the list of the run's models, is gone; run the plan again") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelError(f"{file}, the list of the run's models, was altered; run the plan again")
    return {value: Chosen.from_dict(choice) for value, choice in json.loads(data).items()}


@dataclass(frozen=True)
class ModelByColumnSpec:
    """Scores each row with the model of its value in `column`.

    Attributes:
        recipe_digest: of the code of the model `ModelSet.like`, when planned.
        code: of everything that it runs, likewise; a worker must have the same, and the other models may run nothing
            else.
        outputs: output column -> Arrow type, which all models must give.
    """

    models: ModelSet
    column: str
    recipe_digest: str
    code: Code
    output_spec: OutputSpec
    outputs: dict[str, str]
    trusted_types: tuple[str, ...] = ()

    @property
    def unit(self) -> Unit:
        return "block"

    @property
    def method(self) -> str:
        return self.output_spec.method

    def open(self, rules: BatchRules) -> BatchScorer:
        return _ByColumn(self, rules)

    def identity(self) -> list[object]:
        code = [digest for _, digest in self.code]
        return [
            *(self.models.digest, str(self.models.missing), self.column, self.recipe_digest, code),
            *self.output_spec.to_list(),
        ]


class _Pool:
    """Profiles of rows of different models, and their expected profiles, added up by the bins' position."""

    def __init__(self) -> None:
        self.found: profile.Counts = {}
        self.expected: profile.Expected = {}

    def add(self, counts: profile.Counts, reference: profile.Counts) -> None:
        """Add rows of one model, with the counts of its training data."""
        expected = profile.expected(reference, counts)
        self.found = profile.merge(self.found, profile.by_position(counts))
        self.expected = profile.merge(self.expected, profile.by_position(expected))


@dataclass(frozen=True)
class _ByColumn:
    spec: ModelByColumnSpec
    rules: BatchRules
    #: The models share one recipe, so checking one is enough.
    _shared: SharedFeatures = field(default_factory=SharedFeatures)

    @property
    def outputs(self) -> dict[str, str]:
        return self.spec.outputs

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        import numpy as np
        import pyarrow as pa

        tables, places, bad, uncovered = [], [], list[BadRow](), dict[str, int]()
        features, predictions, beyond = _Pool(), _Pool(), Beyond()
        # A share is of the block's rows, not of those of one value.
        rules = replace(self.rules, limit=Limit(self.rules.limit.rows_of(batch.table.num_rows)))
        scored = skipped = 0
        for value, rows in _rows_by_value(batch.keys, self.spec.column):
            choice = self._choice(value, len(rows))
            if choice.status != "own":
                uncovered[f"{self.spec.column}={value}: {choice.note}"] = len(rows)
            if choice.model is None:
                skipped += len(rows)
                continue
            taken = pa.array(rows)
            part = Batch(batch.table.take(taken), batch.positions[rows], [], batch.keys.take(taken))
            scorer = self._scorer(choice.model, rules)
            result = scorer.score(part, schema)
            features.add(result.features, scorer.reference_features)
            predictions.add(result.predictions, scorer.reference_outputs)
            beyond += result.beyond
            tables.append(result.table)
            places.append(rows[result.places])
            scored += result.scored
            skipped += result.skipped
            bad += result.failed
        bad.sort(key=lambda row: row.position)
        whole = np.concatenate(places) if places else np.array([], dtype=np.int64)
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        return replace(
            sorted_batch(table, whole, scored, skipped, bad, uncovered),
            features=features.found,
            predictions=predictions.found,
            expected_features=features.expected,
            expected_predictions=predictions.expected,
            beyond=beyond,
        )

    def _choice(self, value: str, rows: int) -> Chosen:
        choice = self.spec.models.load().get(value, self.spec.models.missing)
        if choice is None:
            raise ModelError(
                f"{rows} rows have {self.spec.column}={value}, for which there is no model. Train it, or say what to "
                "do in PlanPartitionsOperator(model_policy=ModelPolicy(missing='skip'))"
            )
        return choice

    def _scorer(self, ref: ModelRef, rules: BatchRules) -> Scorer:
        loaded = artifact.load(ref, self.spec.trusted_types, self.spec.code)
        scorer = Scorer(loaded, self.spec.output_spec, rules, shared=self._shared)
        if scorer.outputs != self.outputs:
            raise ModelError(
                f"model {ref.uri} gives {scorer.outputs}, the others of this run give {self.outputs}; train it like "
                "the others"
            )
        return scorer


def _rows_by_value(table: pa.Table, column: str) -> list[tuple[str, np.ndarray]]:
    """Text of each value (empty if missing) and the numbers of its rows, in their order."""
    import numpy as np
    import pyarrow as pa

    if not table.num_rows:
        return []
    texts = model_names(table.column(column), column).combine_chunks().dictionary_encode()
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    numbers = texts.indices.to_numpy()
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    return [(texts.dictionary[int(numbers[rows[0]])].as_py(), rows) for rows in np.split(order, cuts)]
