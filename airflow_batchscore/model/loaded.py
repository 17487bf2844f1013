"""A model in memory, and the estimator each thread uses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from airflow_batchscore.model.libraries import KNOWN_PACKAGES
from airflow_batchscore.model.reference import ModelRef

if TYPE_CHECKING:
    from airflow_batchscore.model.artifact import ModelManifest


class LoadedModel:
    """A model in memory, with the contents of its artifact.

    Estimators of libraries known to predict on several threads at once are shared. Any other may keep its rows on
    ``self`` while it predicts, so each thread has its own.
    """

    def __init__(self, ref: ModelRef, manifest: ModelManifest, read: Callable[[], object]) -> None:
        self.ref, self.manifest = ref, manifest
        # A shared estimator is read once, and its bytes are released.
        self._read = partial(_the_same, read()) if _is_shared(manifest) else read
        self._here = threading.local()
        self._here.estimator = self._read()

    @property
    def estimator(self) -> object:
        """The estimator for this thread."""
        if not hasattr(self._here, "estimator"):
            self._here.estimator = self._read()
        return self._here.estimator


def _the_same(estimator: object) -> object:
    return estimator


def _is_shared(manifest: ModelManifest) -> bool:
    return manifest.code == {} and manifest.packages is not None and set(manifest.packages) <= KNOWN_PACKAGES
