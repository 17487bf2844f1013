"""The features of `hazard_regression` on Spark: letters to numbers, fitted on training data, kept with the model.

    spark = SparkSession.builder.master("spark://host:7077").getOrCreate()
    raw = spark.read.csv("properties_*.csv", header=True, inferSchema=True)
    made = fit(raw.where("Id % 10 < 8"))
    made.save("s3://models/hazard/features.json")
    write(made, raw, "s3://features/hazard")       # Parquet, to train and score on

Executors need this module and their own identity on the storage; no Airflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

LETTERS = [*(f"T1_V{n}" for n in (4, 5, 6, 7, 8, 9, 11, 12, 15, 16)), *(f"T2_V{n}" for n in (3, 5, 11, 12, 13))]
FEATURES = [*(f"T1_V{n}" for n in range(1, 18)), *(f"T2_V{n}" for n in range(1, 16))]
#: Columns that are passed through unchanged.
KEPT = ["Id", "Hazard"]


@dataclass(frozen=True)
class SparkFeatures:
    """A fitted `StringIndexer` and the `VectorAssembler` after it, as plain values.

    Attributes:
        labels: letter column -> its letters, most frequent first. A letter's number is its position; a letter that
            training did not see has the number after the last.
    """

    labels: dict[str, list[str]]

    def save(self, uri: str, conn_id: str | None = None) -> None:
        """Save them, for example beside the model's versions."""
        storage.write_json(Location(uri, conn_id), {"labels": self.labels})

    @classmethod
    def load(cls, uri: str, conn_id: str | None = None) -> SparkFeatures:
        value = storage.read_json(Location(uri, conn_id))
        if value is None:
            raise FileNotFoundError(uri)
        return cls(value["labels"])

    def transform(self, raw: DataFrame) -> DataFrame:
        """`KEPT`, and each feature as a number under its own name."""
        from pyspark.ml.feature import StringIndexerModel, VectorAssembler
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql.functions import col

        # One per column: arrays of several are padded to one length on their way to Java, which shifts unseen letters.
        for name, labels in self.labels.items():
            raw = StringIndexerModel.from_labels(labels, name, f"{name}_number", handleInvalid="keep").transform(raw)
        inputs = [f"{name}_number" if name in self.labels else name for name in FEATURES]
        made = VectorAssembler(inputCols=inputs, outputCol="features", handleInvalid="keep").transform(raw)
        made = made.withColumn("features", vector_to_array("features"))
        columns = [col("features")[place].alias(name) for place, name in enumerate(FEATURES)]
        return made.select(*[name for name in KEPT if name in raw.columns], *columns)


def fit(training: DataFrame) -> SparkFeatures:
    """Count the letters of the training data."""
    from pyspark.ml.feature import StringIndexer

    outputs = [f"{name}_number" for name in LETTERS]
    model = StringIndexer(inputCols=LETTERS, outputCols=outputs, handleInvalid="keep").fit(training)
    return SparkFeatures({name: list(found) for name, found in zip(LETTERS, model.labelsArray, strict=True)})


def write(features: SparkFeatures, raw: DataFrame, folder: str) -> int:
    """One Parquet file per Spark partition, ``<folder>/part=<n>/features.parquet``; returns the rows written."""
    from pyspark.sql.types import LongType, StructField, StructType

    made = features.transform(raw)
    written = made.mapInArrow(_Writer(folder), StructType([StructField("rows", LongType())]))
    return sum(row["rows"] for row in written.collect())


@dataclass(frozen=True)
class _Writer:
    """Writes the rows of a Spark task through this package's storage: completely or not at all."""

    folder: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None, "Spark calls this in a task"
        writer: Any = None
        rows = 0
        file = Location(self.folder) / f"part={context.partitionId()}" / "features.parquet"
        with storage.atomic_file(file) as path:
            for batch in batches:
                writer = writer or pq.ParquetWriter(path, batch.schema)
                writer.write_batch(batch)
                rows += batch.num_rows
            if writer is None:
                return
            writer.close()
        yield pa.RecordBatch.from_pydict({"rows": [rows]})
