"""Keeps outputs apart from inputs: a write never replaces input data, and the next run never reads outputs as input."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_batchscore.data.pattern import UriPattern, listing_root
from airflow_batchscore.data.storage import real
from airflow_batchscore.errors import OutputError


def require_apart(dataset_uri: str, outputs: Iterable[str]) -> None:
    """Raise OutputError if a file to be written would belong to the dataset.

    Args:
        dataset_uri: the dataset's template.
        outputs: URIs of files.
    """
    root, _ = listing_root(dataset_uri)
    pattern = UriPattern(f"{real(root)}{dataset_uri[len(root) :]}")
    for output in outputs:
        folder, _, name = output.rpartition("/")
        # A link may be among the data or point there.
        if any(pattern.match(place) is not None for place in (f"{real(folder or '.')}/{name}", real(output))):
            raise OutputError(
                f"{output} was not written: it fits the dataset {dataset_uri}, so that it could replace data, and the "
                "next run would take it for data. Write to another folder"
            )
