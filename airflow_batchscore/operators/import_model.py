"""`ImportModelOperator`: a model trained elsewhere becomes a version like any other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.base import BatchScoreOperator, run_name
from airflow_batchscore.operators.places import DATASET, Place

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.model.recipe import Recipe


class ImportModelOperator(BatchScoreOperator):
    """Import a model from a file, an MLflow registry or a function, and measure it on some partitions.

    Its bytes are kept unchanged, pinned by their digest; its signature, metrics and reference profile come from the
    partitions. From then on it is a version like those of `TrainOperator`.

    Args:
        source: URI of a file (``.onnx``, ``.ubj`` of XGBoost, ``.pt2`` of ``torch.export``, ``.skops``, ``.joblib``,
            ``.pkl``), ``"models:/name@alias"`` of MLflow, or a function (or its import path) that returns a fitted
            model. Templated.
        dataset: data that the model can score.
        partitions: what to measure it on. Templated.
        recipe: features, keys, and, for metrics, the target.
        model_uri: folder of the model's versions. Templated.
        alias: name to point at the new version, without a gate. Templated.
        metrics: see `TrainOperator`.
        flavor: needed if the file's name does not reveal it (``"lightgbm"`` for the text that LightGBM's boosters save;
            labels are then 0, 1, 2 ...), or for a function's model.
        accelerate: see `TrainOperator`.
        check: rows with the predictions that they had where the model was made: a list of dicts, or the URI of a CSV or
            Parquet file (read like `dataset`), with the recipe's columns and one named ``expected``. Templated.
        sha256: of the file; required if loading can run code (``.joblib``, ``.pkl``, ``.pt2``). Templated.
        conn_id: connection for `source` and `model_uri`. Templated.

    Returns:
        What `TrainOperator` returns.

    Fails at once when the source does not exist, does not match `sha256`, cannot be loaded, or does not give the
    predictions that `check` expects.
    """

    template_fields: Sequence[str] = (
        "source",
        "dataset",
        "partitions",
        "model_uri",
        "alias",
        "check",
        "sha256",
        "conn_id",
    )
    places = (
        DATASET,
        Place("source", "conn_id", "import"),
        Place("check", "dataset.conn_id", "read"),
        Place("model_uri", "conn_id", "versions", writes="version/model.json"),
    )

    def __init__(
        self,
        *,
        source: object,
        dataset: PartitionedDataset,
        partitions: object,
        recipe: Recipe,
        model_uri: str,
        alias: str | None = None,
        metrics: Sequence[str | Callable[..., float]] | None = None,
        flavor: str = "auto",
        accelerate: bool | Literal["auto"] = False,
        check: str | Sequence[JsonMapping] | None = None,
        sha256: str | None = None,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Airflow would call a function among the templated arguments.
        self._factory: Callable[[], object] | None = source if callable(source) else None
        self.source: object = None if callable(source) else source
        self.dataset = copy.copy(dataset)
        self.partitions = partitions
        self.recipe = recipe
        self.model_uri = model_uri
        self.alias = alias
        self.metrics = metrics
        self.flavor = flavor
        self.accelerate = accelerate
        self.check = check
        self.sha256 = sha256
        self.conn_id = conn_id
        self.reads_data()
        self.writes_model(model_uri, alias)

    def _source(self, context: Context) -> Any:
        """A function if the DAG's author wrote an import path; people who trigger a run can only name files."""
        from airflow_batchscore.model.functions import FunctionRef
        from airflow_batchscore.training.imported import is_import_path

        if self._factory is not None:
            return self._factory
        written = self.authored("source", context)
        if is_import_path(self.source) and all(each.whole for each in written):
            return FunctionRef.of(self.source)
        return self.source

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.connections import connect, connect_dataset
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.model.reference import set_alias
        from airflow_batchscore.model.trust import ModelAccess
        from airflow_batchscore.operators.outcome import trained_one
        from airflow_batchscore.operators.trust import model_trust
        from airflow_batchscore.training.imported import import_model
        from airflow_batchscore.training.imported_check import check_predictions
        from airflow_batchscore.training.train import TrainingJob, train, training_data

        if self.sha256 and not all(written.whole for written in self.authored("sha256", context)):
            raise InputError(
                "sha256 comes from the run's params or an XCom: who may name a file's bytes there may run what is in "
                "them. Write it in the DAG, or take it from an Airflow Variable"
            )
        trust = model_trust(self, context, "source")
        conn_id = connect(Location(self.source, self.conn_id)).conn_id if isinstance(self.source, str) else None
        imported = import_model(
            self._source(context), flavor_name=self.flavor, sha256=self.sha256, access=ModelAccess(conn_id, trust)
        )
        job = TrainingJob(
            dataset=connect_dataset(self.dataset),
            partitions=self.partitions,
            recipe=self.recipe,
            estimator=imported,
            model_uri=self.model_uri,
            metrics=self.metrics,
            accelerate=self.accelerate,
            conn_id=connect(Location(self.model_uri, self.conn_id)).conn_id,
            signing_key=trust.key,
        )
        data = training_data(job)
        if self.check is not None:
            kind = imported.flavor if imported.data is None else None
            rows = check_predictions(imported.estimator, job.recipe, self.check, job.dataset, data.source.types, kind)
            self.log.info("%s: predictions are as expected for the %d rows of check=", self.source, rows)
        trained = train(job, data=data)
        if self.alias:
            set_alias(self.model_uri, self.alias, trained.ref, job.began, run_name(context))
        self.outcome = trained_one(self.dataset.uri, trained, self.alias, run_name(context))
        self.log.info(
            "%s (%s) is version %s: %s", self.source, imported.flavor.name, trained.ref.version, trained.ref.uri
        )
        return self.handed_on(trained.to_dict(), "model", context)
