"""Outputs are no inputs: what is written never replaces data, and is never taken for data by the next run."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_batchscore.data.pattern import UriPattern, listing_root
from airflow_batchscore.data.storage import real
from airflow_batchscore.errors import OutputError


def require_apart(dataset_uri: str, outputs: Iterable[str]) -> None:
    """Raises OutputError where a file to be written would be one of the data set's.

    Args:
        dataset_uri: the data set's template.
        outputs: URIs of files.
    """
    root, _ = listing_root(dataset_uri)
    pattern = UriPattern(f"{real(root)}{dataset_uri[len(root) :]}")
    for output in outputs:
        folder, _, name = output.rpartition("/")
        # A link may lie among the data, or lead there.
        if any(pattern.match(place) is not None for place in (f"{real(folder or '.')}/{name}", real(output))):
            raise OutputError(
                f"{output} was not written: it fits the data set {dataset_uri}, so that it could replace data, and the "
                "next run would take it for data. Write to another folder"
            )
