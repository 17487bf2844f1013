"""Data sets, models and predictions as Airflow assets: what operators declare, and what their events tell.

See docs/decisions/0026-assets.md.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import jinja2
from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.execution_time.context import context_get_outlet_events

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.operators.authored import argument, items_of, kind_of, producers_of

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator

log = logging.getLogger(__name__)

_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - not HTML
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def asset_at(uri: str | os.PathLike[str]) -> Asset:
    """The asset for a location, as the operators name it: use it in ``schedule=``, ``inlets=`` or ``outlets=``.

    Name and URI are the location itself, as it is written in the DAG; a local path becomes ``file:///...``, and what is
    not printable ASCII is percent-encoded, because Airflow's database takes no other letters.

    Args:
        uri: a dataset's template, a model (``<uri>``, ``<uri>@<alias>``) or an output.

    Raises:
        ValueError: Airflow accepts no asset of that URI (longer than 1,500 characters, or scheme ``airflow``).
    """
    text = os.fspath(uri)
    if "://" not in text:
        text = f"file://{os.path.abspath(os.path.expanduser(text))}"
    name = _ascii(text)
    # A glob's question mark would begin a query.
    return Asset(name=name, uri=name.replace("?", "%3F").replace("#", "%23"))


def _ascii(text: str) -> str:
    """`text` as Airflow's database takes it; what is encoded in it already stays as it is."""
    return quote(text, safe=_PRINTABLE, errors="surrogateescape")


def known_asset(operator: BaseOperator, uri: object, suffix: str = "") -> Asset | None:
    """The asset at an argument's location if parsing knows it: text, or a template of params that have defaults."""
    with suppress(Exception):  # a template of something else, a param without a default, a URI that Airflow refuses
        if isinstance(uri, (str, os.PathLike)) and (text := _rendered(operator, os.fspath(uri))):
            return asset_at(text + suffix)
    return None


def _rendered(operator: BaseOperator, text: str) -> str:
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return text
    return _ENVIRONMENT.from_string(text).render(params=operator.params)


def model_assets(operator: BaseOperator, field: str) -> list[Asset]:
    """Assets of the model or models that the argument `field` names, or that the tasks whose output it is have made.

    A model is an asset as a whole, and so is each of its aliases; a version is none.
    """
    fields = items_of(field, getattr(operator, field))
    return _unique(asset for each in fields for asset in _model_assets(operator, each))


def _model_assets(operator: BaseOperator, field: str) -> list[Asset]:
    given = argument(operator, field)
    tasks = producers_of(operator, field)
    if tasks:
        return _unique(asset for task in tasks for asset in getattr(task, "model_assets", ()))
    asset = known_asset(operator, given)
    if asset is None or "@" in asset.name.rpartition("/")[2]:
        return [asset] if asset else []
    return [asset_at(asset.name.rstrip("/").rpartition("/")[0])]


def planned_assets(task: BaseOperator | MappedOperator) -> list[Asset]:
    """What went into the scores that `task` is given: inlets of the plans that they come from."""
    from airflow_batchscore.operators.announcing import AnnouncingOperator
    from airflow_batchscore.operators.plan import PlanPartitionsOperator

    return _unique(
        asset
        for field in ("plan", "scores", "partition")
        for producer in producers_of(task, field)
        if issubclass(kind_of(producer), AnnouncingOperator)
        for asset in (
            [inlet for inlet in producer.inlets if isinstance(inlet, Asset)]
            if issubclass(kind_of(producer), PlanPartitionsOperator)
            else planned_assets(producer)
        )
    )


def add_assets(ports: list[object], assets: Iterable[Asset | None]) -> list[Asset]:
    """Add `assets` to a task's inlets or outlets, and return those added: not those whose URI the DAG gave itself."""
    given = {port.uri for port in ports if isinstance(port, Asset)}
    added = [asset for asset in _unique(asset for asset in assets if asset) if asset.uri not in given]
    ports.extend(added)
    return added


def _unique(assets: Iterable[Asset]) -> list[Asset]:
    return list({asset.uri: asset for asset in assets}.values())


def alias_of(operator: BaseOperator) -> AssetAlias:
    """Stands for what a task writes at places that only a run knows: ``<dag_id>.<task_id>``."""
    return AssetAlias(_ascii(f"{operator.dag_id}.{operator.task_id}"))


def raise_events(
    operator: BaseOperator,
    declared: Iterable[object],
    own: Iterable[Asset],
    written: Mapping[str, JsonObject],
    context: Context,
    keys: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Put what a task wrote on the events of its outlets, and raise no event for what it did not write.

    Args:
        declared: outlets of the task in the DAG; those of a mapped task lack what its instances add.
        own: outlets that the operator added itself.
        written: location -> ``extra`` of the event.
        keys: location -> partition keys: there is an event for each, and none if there is no key. One event, as usual,
            for a location that is not named.
    """
    events = {asset_at(uri).uri: (asset_at(uri), extra) for uri, extra in written.items()}
    known = {outlet.uri: outlet for outlet in declared if isinstance(outlet, Asset)}
    # Airflow raises an event for each asset among the outlets of the operator that was executed.
    unwritten = {asset.uri for asset in own if asset.uri not in events or asset.uri not in known}
    operator.outlets = [
        outlet for outlet in operator.outlets if not (isinstance(outlet, Asset) and outlet.uri in unwritten)
    ]
    alias, accessors = alias_of(operator), context_get_outlet_events(context)
    keys_of = {asset_at(uri).uri: list(several) for uri, several in (keys or {}).items()}
    for uri, (asset, extra) in events.items():
        if uri in known:
            accessors[known[uri]].extra.update(extra)
            if uri in keys_of:
                set_keys(operator, known[uri], keys_of[uri], context)
            continue
        if uri in keys_of:
            log.warning(
                "%s is known only to this run, so that its event is one without the keys of its partitions, and starts "
                "no DAG that is scheduled on these: write the location in the DAG, and do not map the task",
                uri,
            )
        if alias not in operator.outlets:
            operator.outlets.append(alias)
        accessors[alias].add(asset, extra=extra)


def set_keys(operator: BaseOperator, outlet: Asset, keys: Sequence[str], context: Context) -> None:
    """Let the task that executes raise an event of `outlet` for each of the partition keys; none if there is none."""
    if keys:
        context_get_outlet_events(context)[outlet].add_partitions(list(keys))
    else:
        operator.outlets = [port for port in operator.outlets if not (isinstance(port, Asset) and port == outlet)]
