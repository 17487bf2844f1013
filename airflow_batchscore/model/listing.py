"""The versions and aliases below a model's folder, for people to look at. Nothing is deserialised or loaded."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.storage.inside import read_inside
from airflow_batchscore.errors import BatchScoreError, listed
from airflow_batchscore.model.alias_history import Move, moves_of
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.reference import manifest_value

MOST_VERSIONS = 50
_MOST_ALIASES = 20
_MOST_KEPT = 1_000
_VERSION = re.compile(r"([^/]+)/model\.json")
_ALIAS = re.compile(r"aliases/([^/]+)\.json")


@dataclass(frozen=True)
class ListedVersion:
    """What ``model.json`` says of a version; see `ModelManifest`.

    Attributes:
        trained_on: partitions.
        params: that a search chose, as text; empty if there was none.
    """

    version: str
    created: str
    estimator: str
    flavor: str
    metrics: dict[str, float]
    metrics_on: str
    trained_on: Sequence[str]
    rows_trained: int
    features: Sequence[str]
    libraries: dict[str, str]
    params: dict[str, str]


@dataclass(frozen=True)
class ListedAlias:
    """An alias, the version that it points at, and its moves, newest first."""

    alias: str
    version: str
    moves: Sequence[Move]


@dataclass(frozen=True)
class ModelListing:
    """A model's folder.

    Attributes:
        versions: the newest ones, newest first.
        problem: what could not be read; None if all could be.
    """

    versions: Sequence[ListedVersion]
    aliases: Sequence[ListedAlias]
    problem: str | None


def list_model(model: Location) -> ModelListing:
    """Look into a model's folder, whose connection is usable. Links that lead out of it are not followed.

    Raises OSError if the storage does not answer.
    """
    files = storage.list_files(model, recursive=True)
    below = {file: file.uri[len(model.uri.rstrip("/")) + 1 :] for file in files}
    manifests = sorted((file for file in files if _VERSION.fullmatch(below[file])), key=lambda file: -file.mtime_ns)
    pointers = [file for file in files if _ALIAS.fullmatch(below[file])]
    problems: list[str] = []

    def version(file: FileInfo) -> ListedVersion | None:
        try:
            return _version(model, file)
        except (BatchScoreError, OSError) as error:
            problems.append(str(error))
            return None

    def alias(file: FileInfo) -> ListedAlias | None:
        try:
            return read_alias(model, file)
        except (BatchScoreError, OSError, KeyError, TypeError, ValueError) as error:
            problems.append(f"the alias {below[file]} cannot be read ({error!r}): set it again, which writes it anew")
            return None

    versions = [each for each in storage.each(version, manifests[:MOST_VERSIONS], model.uri) if each]
    aliases = [each for each in storage.each(alias, pointers[:_MOST_ALIASES], model.uri) if each]
    if len(manifests) > MOST_VERSIONS:
        problems.append(f"there are {len(manifests)} versions, and these are the {MOST_VERSIONS} newest")
    newest_first = sorted(versions, key=lambda each: each.created, reverse=True)
    return ModelListing(newest_first, aliases, listed(problems, "; ") or None)


@lru_cache(maxsize=_MOST_KEPT)
def _version(model: Location, file: FileInfo) -> ListedVersion:
    """A version's ``model.json`` never changes; another file would have another size or time."""
    location = model.at(file.uri)
    data = read_inside(location, [model.uri])
    manifest = ModelManifest.from_dict(manifest_value(data, location.parent.uri), location.parent.uri)
    training = manifest.training
    return ListedVersion(
        version=location.parent.name,
        created=manifest.created,
        estimator=manifest.estimator,
        flavor=manifest.flavor,
        metrics=finite(manifest.metrics),
        metrics_on=manifest.metrics_on,
        trained_on=training.partitions,
        rows_trained=training.rows_trained,
        features=manifest.signature.features,
        libraries=manifest.libraries,
        params=dict(training.search.best) if training.search else {},
    )


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that JSON for a browser can hold: it has no NaN."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def read_alias(model: Location, file: FileInfo) -> ListedAlias:
    """An alias of a model, from its file.

    Raises:
        InputError: it lies elsewhere: a link leads out of the model's folder.
        KeyError, TypeError, ValueError: it is not what this package wrote.
    """
    pointer = json.loads(read_inside(model.at(file.uri), [model.uri]))
    name = file.uri.rpartition("/")[2].removesuffix(".json")
    return ListedAlias(name, str(pointer["version"]), list(moves_of(pointer))[::-1])
