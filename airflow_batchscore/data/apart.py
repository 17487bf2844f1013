"""Keeps outputs apart from inputs, which a write would replace and the next run read, and from staged scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_batchscore.data.pattern import UriPattern, listing_root
from airflow_batchscore.data.storage import is_within, real
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


def require_staging_outside(dataset_uri: str, staging: str) -> None:
    """Raise OutputError if scores would be staged in the folder that holds the dataset's folders, or all of its files.

    The dataset itself would not take them for data, but whoever reads its folder would.
    """
    root, is_deep = listing_root(dataset_uri)
    if (is_deep or "*" in dataset_uri) and real(root or ".") == real(staging):
        raise OutputError(
            f"nothing was scored: {staging} is the folder of the dataset {dataset_uri}, and scores would lie among "
            "its files. Give them a folder of their own"
        )


def require_staging_apart(staging: str, published: str, files: Sequence[str] = ()) -> None:
    """Raise OutputError if scores are staged in the folder that they are published as, or below it.

    An output below the staged scores holds nothing but what is published.

    Args:
        staging: URI of a folder.
        published: URI of the output.
        files: those that every publication writes: the output itself, if it is a single file, which is no folder.
    """
    if published not in files and is_within(staging, published):
        raise OutputError(
            f"nothing was published: scores are staged in {staging}, and the output {published} is "
            f"{'the same folder' if real(staging) == real(published) else 'a folder above it'}, so that who reads the "
            "output would find other versions of the scores and files that are no scores: publish to a folder elsewhere"
        )
