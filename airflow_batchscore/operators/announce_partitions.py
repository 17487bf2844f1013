"""`AnnouncePartitionsOperator`: an asset event for each partition that arrived or was corrected."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.execution_time.context import InletEventsAccessor, context_get_outlet_events

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError, listed
from airflow_batchscore.operators.assets import add_assets, known_asset, set_keys
from airflow_batchscore.operators.base import BatchScoreOperator, as_number, if_given
from airflow_batchscore.operators.partition_keys import event_key, require_event_keys, require_partition_events
from airflow_batchscore.operators.places import DATASET

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset

#: Incremented when the fields of `Announced` change.
SCHEMA = 1
#: Where an asset's state store keeps `Announced`, and an event the name of the announcement that it belongs to.
MEMORY = "batchscore_announced"
ANNOUNCEMENT = "announcement"
#: Newest events among which those of the last announcement are looked for: others may raise events of the asset, too.
_EVENTS = 100
#: Digits of a fingerprint's digest that are kept: enough to notice a change, and few, because all are in one value.
_DIGITS = 16


@dataclass(frozen=True)
class Announced:
    """What was announced of a data set.

    Events are raised by Airflow when the task has succeeded, which it may not live to see. So what it announces is kept
    apart until the next look finds its events.

    Attributes:
        known: partition key -> fingerprint, of what has its event.
        last: the same, of the last announcement.
        token: name of the last announcement, which its events carry; empty if there is none.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)
    token: str = ""

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, value: object) -> Announced:
        """Raises InputError for what another version of this package, or somebody else, kept there."""
        if value is None:
            return cls()
        try:
            if isinstance(value, Mapping) and value["schema"] == SCHEMA:
                return cls(dict(value["known"]), dict(value["last"]), str(value["token"]))
        except (KeyError, TypeError, ValueError):
            pass
        raise InputError(
            f"{MEMORY!r} in the asset's state store was not written by this version of the package. Delete that value "
            f"(Airflow's REST API: DELETE /api/v2/assets/<id>/state-store/{MEMORY}), and all partitions are announced "
            "once more"
        )

    def settled(self, *, raised: bool) -> Announced:
        """After looking whether the events of the last announcement were raised."""
        return Announced({**self.known, **self.last} if raised else self.known)

    def changed(self, seen: Mapping[str, str]) -> dict[str, str]:
        """What of `seen` has no event yet, or one for other bytes."""
        return {key: digest for key, digest in seen.items() if self.known.get(key) != digest}

    def only(self, keys: Mapping[str, str]) -> Announced:
        """Without partitions that are gone: they are announced when they come back."""
        return Announced({key: digest for key, digest in self.known.items() if key in keys})


class AnnouncePartitionsOperator(BatchScoreOperator):
    """Raise an event of the data set's asset for each partition that is new or has changed since its last event.

    Let a DAG with an ordinary schedule run it: each run looks at the data set once. DAGs that are scheduled by
    ``PartitionedAssetTimetable`` on that asset get one run for each partition, whose partition key names it:
    ``PlanPartitionsOperator(partitions="{{ dag_run.partition_key }}")``. Each change is announced once, also if the
    task is killed, Airflow restarts or a run fails: what was announced is kept beside the asset, and counts once its
    events are there. A partition that changes twice between two looks is announced once.

    Args:
        dataset: what to look at. Its ``uri`` must be known when the DAG file is parsed: the asset is named after it, or
            is the one among ``outlets=`` that has this URI.
        partitions: which ones, see `PlanPartitionsOperator`; None for all. Those that do not exist yet are announced
            when they do. Templated.
        stable_for: seconds for which no file of a partition may have been modified, by the storage's clock, for uploads
            that grow in place; others wait for the next look. Templated.

    Only one task instance runs at a time (``max_active_tis_per_dag=1``): two looks at once would announce the same.

    Returns:
        ``{"schema": 1, "announced": [keys], "partitions": n, "unsettled": [keys]}``: how many exist, and which of them
        are still changing.

    A look reads the listing, and the size and tag (ETag; modification time and inode on a disk) of each file. Fails at
    once when the request is invalid or a partition's key is longer than the 250 characters that Airflow takes. Needs
    Airflow 3.3.
    """

    template_fields: Sequence[str] = ("dataset", "partitions", "stable_for")
    places = (DATASET,)

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partitions: object = None,
        stable_for: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        require_partition_events(type(self).__name__)
        super().__init__(**{"max_active_tis_per_dag": 1, **kwargs})
        self.dataset = copy.copy(dataset)
        self.partitions = partitions
        self.stable_for = stable_for
        asset = known_asset(self, dataset.uri)
        if asset is None:
            raise InputError(
                f"{type(self).__name__}(dataset={dataset.uri!r}): only a run knows this location, and Airflow puts "
                "partition keys on the events of assets that the DAG declares. Write the location, or a template of "
                "params that have defaults"
            )
        add_assets(self.outlets, [asset])
        self._asset = next(port for port in self.outlets if isinstance(port, Asset) and port.uri == asset.uri)

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.connections import connect_dataset
        from airflow_batchscore.data import storage
        from airflow_batchscore.data.readiness import assess
        from airflow_batchscore.data.shared_files import SharedFiles
        from airflow_batchscore.operators.outcome import Data, Outcome

        dataset = connect_dataset(self.dataset)
        stable_for = if_given(self.stable_for)
        stable_for = None if stable_for is None else as_number(stable_for, "stable_for", float)
        look = assess(dataset, self.partitions, stable_for=stable_for, now=time.time())
        self.log.info(look.describe())
        values = [partition.values for partition in look.found]
        require_event_keys(values)
        files = SharedFiles(dataset)
        prints = storage.each(lambda one: files.pin(one).fingerprint.digest[:_DIGITS], look.found, dataset.uri)
        seen = dict(zip(map(event_key, values), prints, strict=True))

        store = context["asset_state_store"][self._asset]
        before = Announced.from_dict(store.get(MEMORY))
        announced = before.settled(raised=bool(before.token) and self._was_raised(before.token))
        if if_given(self.partitions) is None and not look.unsettled:
            announced = announced.only(seen)
        new = announced.changed(seen)
        token = f"{time.time_ns():x}" if new else ""
        store.set(MEMORY, Announced(announced.known, new, token).to_dict())
        set_keys(self, self._asset, list(new), context)
        if new:
            extra: JsonObject = {ANNOUNCEMENT: token, "partitions": len(new)}
            context_get_outlet_events(context)[self._asset].extra.update(extra)
        self.outcome = Outcome([Data(self.dataset.uri, partitions=values)])
        self.log.info("%d of %d partitions are announced: %s", len(new), len(seen), listed(new) or "nothing changed")
        return {"schema": SCHEMA, "announced": list(new), "partitions": len(seen), "unsettled": [*look.unsettled]}

    def _was_raised(self, token: str) -> bool:
        """Whether the events of that announcement are among those of the asset."""
        events = InletEventsAccessor(asset_name=self._asset.name, asset_uri=self._asset.uri)
        newest = events.ascending(False).limit(_EVENTS)
        return any((event.extra or {}).get(ANNOUNCEMENT) == token for event in newest)
