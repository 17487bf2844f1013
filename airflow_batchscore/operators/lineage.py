"""OpenLineage: inputs, outputs and facets of a task, in the classes of Airflow's OpenLineage provider.

Only that provider calls this, so it is imported where it is installed and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    base_subset_dataset,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

if TYPE_CHECKING:
    from airflow_batchscore.data.pattern import Values
    from airflow_batchscore.operators.outcome import Data, Outcome
    from airflow_batchscore.quality.check import Check

#: Partitions named in an event: backends refuse events of megabytes.
_MAX_PARTITIONS = 1000


def lineage_of(outcome: Outcome) -> OperatorLineage[Any, Any]:
    """Inputs and outputs of a task, with their facets.

    Checks are assertions on the first input: what a gate looked at.
    """
    inputs = [_input(data, outcome.checks if place == 0 else ()) for place, data in enumerate(outcome.reads)]
    return OperatorLineage(inputs=inputs, outputs=[_output(data) for data in outcome.writes])


def _input(data: Data, checks: Sequence[Check]) -> InputDataset:
    facets: dict[str, Any] = {}
    if data.rows is not None:
        facets["dataQualityMetrics"] = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            columnMetrics={}, rowCount=data.rows, bytes=data.size, fileCount=data.files
        )
    if checks:
        facets["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
            assertions=[_assertion(check) for check in checks]
        )
    if condition := _subset(data.partitions):
        facets["subset"] = base_subset_dataset.InputSubsetInputDatasetFacet(inputCondition=condition)
    namespace, name = naming(data.uri)
    return InputDataset(namespace=namespace, name=name, facets=_facets(data), inputFacets=facets)


def _output(data: Data) -> OutputDataset:
    facets: dict[str, Any] = {}
    if data.rows is not None:
        facets["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=data.rows, size=data.size, fileCount=data.files
        )
    if condition := _subset(data.partitions):
        facets["subset"] = base_subset_dataset.OutputSubsetOutputDatasetFacet(outputCondition=condition)
    namespace, name = naming(data.uri)
    return OutputDataset(namespace=namespace, name=name, facets=_facets(data), outputFacets=facets)


def _facets(data: Data) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    if data.columns:
        fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in data.columns.items()]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
    if data.version:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=data.version)
    return facets


def _assertion(check: Check) -> data_quality_assertions_dataset.Assertion:
    return data_quality_assertions_dataset.Assertion(
        assertion=check.what,
        success=check.passed,
        expected=check.allowed,
        actual=check.found,
        description=check.problem,
    )


def _subset(partitions: Sequence[Values]) -> base_subset_dataset.PartitionSubsetCondition | None:
    """The partitions; None of more than can be named, for which part of them would be wrong."""
    if not partitions or len(partitions) > _MAX_PARTITIONS:
        return None
    return base_subset_dataset.PartitionSubsetCondition(
        partitions=[base_subset_dataset.Partition(dimensions=dict(values)) for values in partitions]
    )


def naming(uri: str) -> tuple[str, str]:
    """Namespace and name by OpenLineage's naming: ``("s3://bucket", "key")``, ``("file", "/path")``."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme == "file":
        return "file", os.path.abspath(os.path.expanduser(rest if separator else uri))
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key.strip("/") or "/"
