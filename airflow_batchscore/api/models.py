"""`models`: the versions and aliases of a model, as the folder on storage has them."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_batchscore.api.reach import usable
from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, listed
from airflow_batchscore.model.listing import ModelListing, list_model


@dataclass(frozen=True)
class Models(ModelListing):
    """A model's folder; see `ModelListing`."""

    def to_dict(self) -> JsonObject:
        """Plain JSON: what ``batchscore models --json`` prints."""
        return {
            "versions": [vars(version) | {"trained_on": list(version.trained_on)} for version in self.versions],
            "aliases": {alias.alias: alias.version for alias in self.aliases},
            "problem": self.problem,
        }


def models(uri: str, *, conn_id: str | None = None) -> Models:
    """The newest versions of a model, newest first, and its aliases. Nothing of them is loaded.

    Args:
        uri: the model's folder, which holds a folder for each version.

    Raises:
        InputError: no version is there.
    """
    place = usable(Location(uri.rstrip("/"), conn_id))
    found = list_model(place)
    if not found.versions and not found.problem:
        below = storage.list_files(place, recursive=True)
        names = {file.uri[len(place.uri) + 1 :].split("/")[0] for file in below if file.uri.endswith("/model.json")}
        hint = f"; there are models below it: {listed(sorted(names))}" if names else ""
        raise InputError(f"{uri} is no folder of a model: it has no <version>/model.json{hint}")
    return Models(found.versions, found.aliases, found.problem)
