"""A model for each value of a column: a partition holds rows of many sensors, and each is scored with its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.choice import Chosen
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.model_code import Code
from airflow_batchscore.model.model_names import model_names
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality import profile
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.batch import BatchScorer, ScoredBatch, Scorer, sorted_batch

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ModelSet:
    """The models that a run uses, pinned together: a file named by its content.

    Attributes:
        missing: what to do with a value that is not in it.
        like: one of the models, whose recipe says what is read and whose outputs all must have.
    """

    uri: str
    digest: str
    conn_id: str | None
    missing: Chosen | None
    like: ModelRef

    def load(self) -> dict[str, Chosen]:
        """Value of the column -> its model. Raises ModelError when the file is gone or was altered."""
        return _load_set(self.uri, self.digest, self.conn_id)


def save_set(choices: Mapping[str, Chosen], missing: Chosen | None, folder: str, conn_id: str | None) -> ModelSet:
    """Write the models of a run below `folder`; the same ones give the same file."""
    data = storage.json_bytes({value: choice.to_dict() for value, choice in sorted(choices.items())})
    digest = hashlib.sha256(data).hexdigest()
    uri = storage.join(folder, f"{digest[:16]}.json")
    if storage.stat(uri, conn_id) is None:
        storage.write_bytes(uri, data, conn_id)
    like = next(choice.model for choice in choices.values() if choice.model is not None)
    return ModelSet(uri, digest, conn_id, missing, like)


@lru_cache(maxsize=4)
def _load_set(uri: str, digest: str, conn_id: str | None) -> dict[str, Chosen]:
    try:
        data = storage.read_bytes(uri, conn_id)
    except FileNotFoundError:
        raise ModelError(f"{uri}, the list of the run's models, is gone; run the plan again") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelError(f"{uri}, the list of the run's models, was altered; run the plan again")
    return {value: Chosen.from_dict(choice) for value, choice in json.loads(data).items()}


@dataclass(frozen=True)
class ModelsWork:
    """Each row with the model of its value in `column`.

    Attributes:
        recipe_digest: of the code that is there when it is planned, of the model `ModelSet.like`.
        code: of all that it runs, likewise; a worker must have the same, and the other models may run nothing else.
        outputs: output column -> Arrow type, which all models must give.
    """

    models: ModelSet
    column: str
    recipe_digest: str
    code: Code
    spec: OutputSpec
    outputs: dict[str, str]
    trusted_types: tuple[str, ...] = ()

    @property
    def row_wise(self) -> bool:
        return True

    @property
    def method(self) -> str:
        return self.spec.method

    def open(self, keys: Sequence[str], limit: Limit, *, allow_nan: bool) -> BatchScorer:
        return _ByColumn(self, tuple(keys), limit, allow_nan)

    def identity(self) -> list[Any]:
        code = [digest for _, digest in self.code]
        return [
            *(self.models.digest, str(self.models.missing), self.column, self.recipe_digest, code),
            *self.spec.to_list(),
        ]


class _Pool:
    """Profiles of rows of different models, and what was to be expected of them, added up by the bins' position."""

    def __init__(self) -> None:
        self.found: profile.Counts = {}
        self.expected: profile.Expected = {}

    def add(self, found: profile.Counts, reference: profile.Counts) -> None:
        """Rows of one model, and the counts of its training data."""
        expected = profile.expected(reference, found)
        self.found = profile.merge(self.found, profile.by_position(found))
        self.expected = profile.merge(self.expected, profile.by_position(expected))


@dataclass(frozen=True)
class _ByColumn:
    work: ModelsWork
    keys: tuple[str, ...]
    limit: Limit
    allow_nan: bool
    #: The models have one recipe, so one of them answers for all.
    _checked: set[FunctionRef] = field(default_factory=set)

    @property
    def outputs(self) -> dict[str, str]:
        return self.work.outputs

    def score(self, batch: Batch, schema: pa.Schema) -> ScoredBatch:
        import numpy as np
        import pyarrow as pa

        tables, places, bad, uncovered = [], [], list[BadRow](), dict[str, int]()
        features, predictions = _Pool(), _Pool()
        scored = skipped = 0
        for value, rows in _rows_by_value(batch.keys, self.work.column):
            choice = self._choice(value, len(rows))
            if choice.status != "own":
                uncovered[f"{self.work.column}={value}: {choice.note}"] = len(rows)
            if choice.model is None:
                skipped += len(rows)
                continue
            taken = pa.array(rows)
            part = Batch(batch.table.take(taken), batch.positions[rows], [], batch.keys.take(taken))
            scorer = self._scorer(choice.model)
            found = scorer.score(part, schema)
            features.add(found.features, scorer.reference_features)
            predictions.add(found.predictions, scorer.reference_outputs)
            tables.append(found.table)
            places.append(rows[found.places])
            scored += found.scored
            skipped += found.skipped
            bad += found.failed
        bad.sort(key=lambda row: row.position)
        whole = np.concatenate(places) if places else np.array([], dtype=np.int64)
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        return replace(
            sorted_batch(table, whole, scored, skipped, bad, uncovered),
            features=features.found,
            predictions=predictions.found,
            expected_features=features.expected,
            expected_predictions=predictions.expected,
        )

    def _choice(self, value: str, rows: int) -> Chosen:
        choice = self.work.models.load().get(value, self.work.models.missing)
        if choice is None:
            raise ModelError(
                f"{rows} rows have {self.work.column}={value}, for which there is no model. Train it, or say what to "
                "do in PlanPartitionsOperator(model_policy=ModelPolicy(missing='skip'))"
            )
        return choice

    def _scorer(self, ref: ModelRef) -> Scorer:
        loaded = artifact.load(ref, self.work.trusted_types, self.work.code)
        scorer = Scorer(loaded, self.work.spec, self.keys, self.limit, allow_nan=self.allow_nan, checked=self._checked)
        if scorer.outputs != self.outputs:
            raise ModelError(
                f"model {ref.uri} gives {scorer.outputs}, the others of this run give {self.outputs}; train it like "
                "the others"
            )
        return scorer


def _rows_by_value(table: pa.Table, column: str) -> list[tuple[str, Any]]:
    """Text of each value (empty where it is missing) and the numbers of its rows, in their order."""
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
