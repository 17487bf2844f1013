"""What operators tell Airflow of the data that they read and write: assets, lineage, metrics."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from airflow_batchscore.operators.assets import (
    add_assets,
    alias_of,
    known_asset,
    model_assets,
    planned_assets,
    raise_events,
)
from airflow_batchscore.operators.authored import argument, as_written
from airflow_batchscore.operators.partition_keys import raises_partition_events
from airflow_batchscore.operators.places import PlacedOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.operators.outcome import Outcome


class AnnouncingOperator(PlacedOperator):
    """An operator that sets `outcome` while it works, and declares its assets when it is created."""

    outcome: Outcome | None = None
    #: Assets of the model that the task's output names.
    model_assets: Sequence[Asset] = ()
    _own_outlets: Sequence[Asset] = ()
    #: Whether its events are one for each partition that it changed; see `raises_partition_events`.
    partition_events: bool | None = None

    def reads_data(self) -> None:
        """Declare the dataset."""
        add_assets(self.inlets, [known_asset(self, argument(self, "dataset.uri"))])

    def reads_models(self, *fields: str) -> None:
        """Declare the models that these arguments name."""
        add_assets(self.inlets, [asset for field in fields for asset in model_assets(self, field)])

    def reads_planned(self) -> None:
        """Declare what went into the scores that the task is given."""
        add_assets(self.inlets, planned_assets(self))

    def writes(self, *uris: object) -> list[Asset]:
        """Declare what the task writes; an alias stands for places that only a run knows."""
        assets = [known_asset(self, uri) for uri in uris]
        self._own_outlets = add_assets(self.outlets, assets)
        if None in assets:
            self.outlets.append(alias_of(self))
        return [asset for asset in assets if asset is not None]

    def writes_model(self, model_uri: str, alias: str | None) -> None:
        """Declare the model that the task makes, and the alias that it moves; the tasks after it read the latter."""
        folder = os.fspath(model_uri).rstrip("/")
        uris = [folder, f"{folder}@{alias}"] if alias else [folder]
        self.model_assets = self.writes(*uris)[-1:]

    def moves_alias(self, alias: str | None) -> None:
        """Declare the alias that the task may point at the model that it reads."""
        self.model_assets = model_assets(self, "model")
        if alias:
            folders = [asset.name.rpartition("@")[0] or asset.name for asset in self.model_assets]
            unknown = [] if folders else [None]
            self.model_assets = self.writes(*unknown, *(f"{folder}@{alias}" for folder in folders))

    def announce(self, context: Context) -> None:
        """Send metrics and prepare asset events. A failure of that never fails the task."""
        from airflow_batchscore.operators.metrics import emit_metrics

        if self.outcome is None:
            return
        try:
            emit_metrics(self.outcome, context)
            written = {data.uri: data.extra for data in self.outcome.writes if data.extra is not None}
            keys = None
            if raises_partition_events(self, context, self.partition_events):
                keys = {data.uri: data.event_keys for data in self.outcome.writes if data.event_keys is not None}
            raise_events(self, as_written(self).outlets, self._own_outlets, written, context, keys)
        except Exception:
            self.log.warning("metrics or asset events of this task are not complete", exc_info=True)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Inputs and outputs with their facets, for Airflow's OpenLineage provider; None before anything was read."""
        from airflow_batchscore.operators.lineage import lineage_of

        return lineage_of(self.outcome) if self.outcome else None
