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
    from airflow_batchscore.training.importing import ImportJob
    from airflow_batchscore.training.train import TrainedModel


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
        python: path of another interpreter, with the libraries of a model that cannot live with Airflow: the model is
            loaded, measured and saved there, and nowhere else. See `LocalDask`, which scores it there.
        environment: the same, in an environment that is made for it. See `LocalDask`.
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
        python: str | None = None,
        environment: str | Sequence[str] | None = None,
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
        self.python = python
        self.environment = environment
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
        from airflow_batchscore.engine.environments.environment import Environment
        from airflow_batchscore.model.reference import set_alias
        from airflow_batchscore.model.trust import ModelAccess
        from airflow_batchscore.operators.environments import interpreter
        from airflow_batchscore.operators.outcome import trained_one
        from airflow_batchscore.operators.trust import model_trust
        from airflow_batchscore.training.importing import ImportJob, import_version
        from airflow_batchscore.training.train import TrainingJob

        if self.sha256 and not all(written.whole for written in self.authored("sha256", context)):
            raise InputError(
                "sha256 comes from the run's params or an XCom: who may name a file's bytes there may run what is in "
                "them. Write it in the DAG, or take it from an Airflow Variable"
            )
        trust = model_trust(self, context, "source")
        conn_id = connect(Location(self.source, self.conn_id)).conn_id if isinstance(self.source, str) else None
        version = TrainingJob(
            dataset=connect_dataset(self.dataset),
            partitions=self.partitions,
            recipe=self.recipe,
            estimator=None,
            model_uri=self.model_uri,
            metrics=self.metrics,
            accelerate=self.accelerate,
            conn_id=connect(Location(self.model_uri, self.conn_id)).conn_id,
            signing_key=trust.key,
        )
        access = ModelAccess(conn_id, trust)
        job = ImportJob(self._source(context), version, access, self.flavor, self.sha256, self.check)
        python = interpreter(self, Environment.of("ImportModelOperator", self.python, self.environment))
        trained = import_version(job) if python is None else self._import_in(python, job)
        if self.alias:
            set_alias(self.model_uri, self.alias, trained.ref, version.began, run_name(context))
        self.outcome = trained_one(self.dataset.uri, trained, self.alias, run_name(context))
        self.log.info(
            "%s (%s) is version %s: %s", self.source, trained.manifest.flavor, trained.ref.version, trained.ref.uri
        )
        return self.handed_on(trained.to_dict(), "model", context)

    def _import_in(self, python: str, job: ImportJob) -> TrainedModel:
        """Import in another Python: this one reads what that has written, and loads no model."""
        from airflow_batchscore.engine.environments.calls import call
        from airflow_batchscore.model.artifact import read_manifest
        from airflow_batchscore.training.train import TrainedModel

        path = "airflow_batchscore.training.importing:import_there"
        uris = [self.dataset.uri, self.model_uri, *([self.source] if isinstance(self.source, str) else [])]
        ref, reused = call(python, path, *job.sent(), uris=uris, doing=lambda: f"imported {self.source}")
        return TrainedModel(ref, read_manifest(ref), reused)
