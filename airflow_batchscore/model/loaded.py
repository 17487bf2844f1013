"""A model in memory, and whose estimator each thread gets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_batchscore.model.libraries import KNOWN_PACKAGES
from airflow_batchscore.model.reference import ModelRef

if TYPE_CHECKING:
    from airflow_batchscore.model.artifact import ModelManifest


class LoadedModel:
    """A model in memory, with what its artifact says of it.

    Estimators of libraries that are known to predict on several threads at once are shared by all; of any other, which
    may keep its rows on ``self`` while it predicts, each thread has its own.
    """

    def __init__(self, ref: ModelRef, manifest: ModelManifest, read: Callable[[], Any]) -> None:
        self.ref, self.manifest = ref, manifest
        # A shared one is read once, and its bytes are let go.
        self._read = partial(_the_same, read()) if _is_shared(manifest) else read
        self._here = threading.local()
        self._here.estimator = self._read()

    @property
    def estimator(self) -> Any:
        """This thread's."""
        if not hasattr(self._here, "estimator"):
            self._here.estimator = self._read()
        return self._here.estimator


def _the_same(estimator: Any) -> Any:
    return estimator


def _is_shared(manifest: ModelManifest) -> bool:
    return manifest.code == {} and manifest.packages is not None and set(manifest.packages) <= KNOWN_PACKAGES
