"""What a task may read, write and load is what the DAG's author wrote; a run's params and XComs only fill in names.

Params, XComs and run ids come from people who may trigger runs; the DAG's own text, Variables, connections and dates
do not. A place therefore begins with a folder that the author wrote, and what is filled in after it leads nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from airflow.sdk import BaseOperator, Context, conf

from airflow_batchscore.connections import known_as
from airflow_batchscore.data import storage
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.operators.authored import AuthoredOperator, argument, dag_of
from airflow_batchscore.operators.seal import SECTION

#: Pairs of a connection, by the name that it is registered under, and the URI of a folder.
Folders = tuple[tuple[str | None, str], ...]

_PAIR = re.compile(r"(?:([^@/:]+)@)?(.+)")


@dataclass(frozen=True)
class Place:
    """A templated argument that names a place.

    Attributes:
        field: its name, ``"dataset.uri"`` for that of a data set.
        conn: the argument that names its connection.
        use: a ``"model"``, or what is to become one (``"import"``), is held to what may be loaded where it is resolved,
            see `operators.trust`.
    """

    field: str
    conn: str
    use: Literal["read", "write", "model", "import"]


DATASET = Place("dataset.uri", "dataset.conn_id", "read")


class PlacedOperator(AuthoredOperator):
    """An operator whose arguments name places."""

    #: Every argument that does.
    places: ClassVar[tuple[Place, ...]] = ()

    def require_authored(self, context: Context) -> None:
        """Hold every place and connection to what the DAG's author wrote.

        Raises:
            InputError, OutputError: one is not.
        """
        own = [name for name in self.template_fields if name.endswith("conn_id")]
        for name in dict.fromkeys([*own, *(place.conn for place in self.places)]):
            _require_authored_connection(self, name, context)
        for place in self.places:
            value = argument(self, place.field)
            if place.use in ("model", "import") or value in (None, "") or not isinstance(value, (str, os.PathLike)):
                continue
            uri = os.fspath(value)
            if isinstance(value, os.PathLike) and "." not in place.field:
                setattr(self, place.field, uri)
            known = known_as(uri, argument(self, place.conn))
            _require_authored_place(self, place, uri, known, context)
            if place.use == "write":
                _require_output(self, place.field, uri, known)


def words(option: str) -> tuple[str, ...]:
    """What ``[batchscore] <option>`` lists, separated by commas or spaces."""
    return tuple((conf.get(SECTION, option, fallback="") or "").replace(",", " ").split())


def configured(option: str) -> Folders:
    """``[batchscore] <option>``: pairs of connection and URI, written ``conn_id@uri``, or ``uri`` for the default."""
    pairs = [match.groups() for match in map(_PAIR.fullmatch, words(option)) if match]
    return tuple((known_as(uri, conn_id), uri) for conn_id, uri in pairs)


def is_in(uri: str, known: str | None, folders: Folders) -> bool:
    """Whether `uri`, read through the connection `known`, lies in one of some configured folders."""
    return any(known == conn and storage.is_within(uri, folder) for conn, folder in folders)


def _require_authored_place(
    operator: PlacedOperator, place: Place, uri: str, known: str | None, context: Context
) -> None:
    several = operator.authored(place.field, context)
    for written in several:
        # Of several values that are expanded, the author's own say nothing of the others.
        if written.whole and written.text and (len(several) == 1 or written.text == uri):
            return
        if not written.whole and written.folder and uri.startswith(written.text):
            require_plain(uri[len(written.folder) + 1 :], f"{place.field} below {written.folder}:")
            return
    begin = (
        f"Begin it with a folder in the DAG ({place.field}='s3://bucket/folder/{{{{ params.name }}}}'), or take all of "
        "it from an Airflow Variable ('{{ var.value.name }}')"
    )
    from_elsewhere = f"{place.field} {uri!r} is filled in from the run's params, its id or an XCom, and was not"
    if place.use == "read":
        raise InputError(f"{from_elsewhere} read. {begin}")
    if not is_in(uri, known, configured("output_uris")):
        raise OutputError(f"{from_elsewhere} written. {begin}; or list the folder in [batchscore] output_uris")
    require_plain(uri, place.field)


def _require_authored_connection(operator: PlacedOperator, field: str, context: Context) -> None:
    value = argument(operator, field)
    several = operator.authored(field, context)
    if value in (None, ""):
        return
    if any(each.whole and each.text and (len(several) == 1 or each.text == value) for each in several):
        return
    raise InputError(
        f"{field} {value!r} comes from the run's params or an XCom, and was not used: who triggers a run does not "
        "choose the connection. Name it in the DAG, or in an Airflow Variable ('{{ var.value.name }}')"
    )


def _require_output(operator: PlacedOperator, field: str, uri: str, known: str | None) -> None:
    """Raises OutputError for places that `[batchscore] output_uris` does not list, and for Airflow's own folders."""
    allowed = configured("output_uris")
    if is_in(uri, known, allowed):
        return
    if allowed:
        raise OutputError(
            f"{field} {uri!r}{f' by {known}' if known else ''} lies in none of [batchscore] output_uris "
            f"({', '.join(f'{place} by {conn}' if conn else place for conn, place in allowed)}), and was not written"
        )
    if not storage.is_local(uri):
        return
    for folder, what in _own_folders(operator):
        if storage.is_within(uri, folder):
            raise OutputError(
                f"{field} {uri!r} lies in {what} ({folder}), and was not written. Write elsewhere, or list its folder "
                "in [batchscore] output_uris"
            )


def _own_folders(operator: BaseOperator) -> Iterator[tuple[str, str]]:
    yield os.environ.get("AIRFLOW_HOME") or "~/airflow", "AIRFLOW_HOME"
    folder = conf.get("core", "dags_folder", fallback="")
    if folder:
        yield folder, "the DAGs folder"
    dag = dag_of(operator)
    if dag and dag.fileloc:
        yield os.path.dirname(dag.fileloc), "the folder of the DAG's file"
