"""Compiles a version that exists: the same estimator beside its compiled trees becomes a version of its own."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inferred_types import reading_types
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.compiled.ensembles import NotCompiledError
from airflow_batchscore.model.compiled.estimators import last_step
from airflow_batchscore.model.compiled.onedal import LIBRARIES
from airflow_batchscore.model.features import in_order
from airflow_batchscore.model.libraries import library_versions
from airflow_batchscore.model.opening import verified_bytes
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.model.trust import Trust
from airflow_batchscore.training.compiling import compile_or_refuse
from airflow_batchscore.training.inputs import TrainingInput
from airflow_batchscore.training.rows import read_rows
from airflow_batchscore.training.versions import find_place

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CompiledVersion:
    """A version with compiled trees, and whether it already existed."""

    ref: ModelRef
    reused: bool


def compile_version(
    ref: ModelRef, dataset: PartitionedDataset, partitions: object = None, *, trust: Trust
) -> CompiledVersion:
    """Compile the trees of a version, and save both as a version; it is used again, unchecked, if it exists.

    Args:
        ref: the version, which stays as it is.
        dataset: what it was trained on, or other data that it can score: the compiled trees are checked on its rows.
        partitions: of `dataset`; None for those that it was trained on.
        trust: what may be loaded. With a key, the new version is signed.

    Raises:
        InputError: a partition or column is missing.
        ModelError: it is gone, or cannot be compiled with the same scores.
    """
    loaded = artifact.load(ref, trust.types)
    if ref.compiled is not None:
        return CompiledVersion(ref, reused=True)
    manifest = loaded.manifest
    versions = library_versions(*LIBRARIES)
    identity = json.dumps([ref.digest, ref.manifest_digest, [versions.get(name) for name in LIBRARIES]])
    place = find_place(
        ref.location.parent,
        hashlib.sha256(identity.encode()).hexdigest()[:12],
        signing_key=trust.key,
        retrain=None,
    )
    if place.ref is not None:
        return CompiledVersion(place.ref, reused=True)
    features = _features(manifest, dataset, manifest.training.partitions if partitions is None else partitions)
    try:
        compiled = compile_or_refuse(loaded.estimator, [features])
    except NotCompiledError as error:
        name = type(last_step(loaded.estimator)).__name__
        raise ModelError(f"{name} is not compiled: {error}. Nothing was saved: {ref.uri} stays as it is") from error
    saved = artifact.save(
        place.location,
        verified_bytes(ref, manifest).estimator,
        replace(manifest, compiled=compiled.record),
        trust.key,
        compiled.data,
    )
    if saved is None:
        raise ModelError(f"{place.location} was written by another process meanwhile; run the command again to use it")
    return CompiledVersion(saved, reused=False)


def _features(manifest: ModelManifest, dataset: PartitionedDataset, partitions: object) -> pd.DataFrame:
    """As scoring makes them: the data need not have labels."""
    recipe, signature = copy.copy(manifest.recipe), manifest.signature
    others = [name for name in signature.raw if name != recipe.target_column]
    names = recipe.columns or (signature.features if recipe.features is None else others)
    recipe.target = recipe.target_column = None
    types = reading_types(dataset.column_types, signature.raw, list(names), recipe.keys)
    pinned = storage.each(dataset.pin, dataset.require(partitions), dataset.uri)
    rows = read_rows(TrainingInput(dataset, recipe, types), pinned)
    return in_order(rows.features, signature.features, whole=signature.whole_names)
