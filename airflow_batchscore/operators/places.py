"""A task may read, write and load only what the DAG's author wrote; a run's params and XComs only fill in names.

Params, XComs and run ids come from people who may trigger runs; the DAG's own text, Variables, connections and dates
do not. A location therefore begins with a folder that the author wrote, and what is filled in cannot leave it.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from airflow.sdk import Context, conf

from airflow_batchscore.connections import known_as
from airflow_batchscore.data import storage
from airflow_batchscore.data.apart import require_apart
from airflow_batchscore.data.segments import require_plain, require_plain_below
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.operators.authored import AuthoredOperator, argument, dag_of, items_of, marks_of
from airflow_batchscore.operators.seal import SECTION

#: For ``[batchscore] output_uris``.
_LIMITS = "which then limits what all DAGs write: list their folders, too"
_PAIR = re.compile(r"(?:([^@/:]+)@)?(.+)")


@dataclass(frozen=True)
class Place:
    """A templated argument that names a location.

    Attributes:
        field: its name, such as ``"dataset.uri"`` for a dataset's.
        conn: the argument that names its connection.
        use: ``"versions"``: versions of a model are written there. For a ``"model"``, or something that becomes one
            (``"import"``), `operators.trust` checks what may be loaded when it is resolved.
        writes: an example of what is written below it, which must not be one of the dataset's files.
        default_conn: the argument that names its connection if `conn` does not.
    """

    field: str
    conn: str
    use: Literal["read", "write", "versions", "model", "import"]
    writes: str = ""
    default_conn: str = ""

    @property
    def is_written(self) -> bool:
        return self.use in ("write", "versions")


DATASET = Place("dataset.uri", "dataset.conn_id", "read")


class PlacedOperator(AuthoredOperator):
    """An operator whose arguments name locations."""

    #: Every argument that names a location.
    places: ClassVar[tuple[Place, ...]] = ()

    def require_authored(self, context: Context) -> None:
        """Check every location and connection, and what is expanded, against what the DAG's author wrote.

        Raises:
            InputError, OutputError: one differs.
        """
        self._require_own_settings()
        own = [name for name in self.template_fields if name.endswith("conn_id")]
        for name in dict.fromkeys([*own, *(place.conn for place in self.places)]):
            _require_authored_connection(self, name, context)
        for place in self.places:
            value = argument(self, place.field)
            for field in items_of(place.field, value):
                self._require_no_pattern(field, argument(self, field), context)
            if place.use in ("model", "import") or value in (None, ""):
                continue
            if not isinstance(value, (str, os.PathLike)):
                if place.is_written:
                    raise InputError(
                        f"{place.field}={value!r}: give text, 's3://bucket/key', and its connection as {place.conn}="
                    )
                continue  # rows given inline
            uri = os.fspath(value)
            if isinstance(value, os.PathLike) and "." not in place.field:
                setattr(self, place.field, uri)
            conn_id = argument(self, place.conn) or argument(self, place.default_conn)
            location = known_as(Location(uri, conn_id))
            _require_authored_place(self, place, location, context)
            if place.is_written:
                self.require_output(place.field, location)
            if place.writes:
                require_apart(argument(self, "dataset.covered"), [storage.join(uri, place.writes)])

    def require_output(self, what: str, location: Location) -> None:
        """Require a location that is written to be in ``[batchscore] output_uris``, or outside Airflow's own folders.

        Args:
            what: its name in the message, such as an argument.
            location: with the name that its connection is registered under.

        Raises:
            OutputError: it may not be written.
        """
        dag = dag_of(self)
        require_output(what, location, dag.fileloc if dag else None)

    def _require_no_pattern(self, field: str, value: object, context: Context) -> None:
        """A filled-in value is a name: fields or wildcards in it would turn one location into many."""
        if not isinstance(value, str) or value.lstrip().startswith("{"):  # a JSON object
            return
        several = [written for written in self.authored(field, context) if not written.whole]
        if several and not any(written.marks == marks_of(value) for written in several) and marks_of(value):
            raise InputError(
                f"{field} {value!r}: what the run's params or an XCom fill in holds one of {{ }} * ? [ ], and was not "
                "used: it names one place, the fields and wildcards of the pattern are the DAG's"
            )

    def _require_own_settings(self) -> None:
        """An argument that is not templated is code, or decides what code may do: no XCom may choose it."""
        ours = [kind for kind in type(self).__mro__ if kind.__module__.startswith("airflow_batchscore.")]
        inits = [vars(kind)["__init__"] for kind in ours if "__init__" in vars(kind)]
        settings = {name for init in inits for name in inspect.signature(init).parameters} - {*self.template_fields}
        strange = sorted(self.expanded_over_xcoms() & settings)
        if strange:
            raise InputError(
                f"{', '.join(strange)}: expanded over what another task returned, and not used: only arguments that "
                f"are templated may be ({', '.join(self.template_fields)}). Give the others in partial(), or "
                "expand over a list in the DAG"
            )


def require_output(what: str, location: Location, dag_file: str | None) -> None:
    """`PlacedOperator.require_output`, for a DAG in that file."""
    allowed = configured("output_uris")
    uri, by = location.uri, f" by {location.conn_id}" if location.conn_id else ""
    if is_in(location, allowed):
        return
    if allowed:
        raise OutputError(
            f"{what} {uri!r}{by} lies in none of [batchscore] output_uris "
            f"({', '.join(folder.described for folder in allowed)}), and was not written"
        )
    if not location.is_local:
        return
    for folder, its_name in _own_folders(dag_file):
        if storage.is_within(uri, folder):
            raise OutputError(
                f"{what} {uri!r} lies in {its_name} ({folder}), and was not written. Write elsewhere, or list its "
                f"folder in [batchscore] output_uris, {_LIMITS}"
            )


def words(option: str) -> tuple[str, ...]:
    """The values in ``[batchscore] <option>``, separated by commas or spaces."""
    return tuple((conf.get(SECTION, option, fallback="") or "").replace(",", " ").split())


def configured(option: str) -> tuple[Location, ...]:
    """``[batchscore] <option>``: folders, written ``conn_id@uri``, or ``uri`` for the storage's default connection."""
    pairs = [match.groups() for match in map(_PAIR.fullmatch, words(option)) if match]
    return tuple(known_as(Location(uri, conn_id)) for conn_id, uri in pairs)


def is_in(location: Location, folders: Iterable[Location]) -> bool:
    """Whether it lies in one of the folders and is reached by that folder's connection."""
    return any(location.is_within(folder) for folder in folders)


def _require_authored_place(operator: PlacedOperator, place: Place, location: Location, context: Context) -> None:
    uri, several = location.uri, operator.authored(place.field, context)
    for written in several:
        # Of several expanded values, those the author wrote say nothing about the others.
        if written.whole and written.text and (len(several) == 1 or written.text == uri):
            return
        if not written.whole and written.folder and uri.startswith(written.text):
            require_plain_below(uri[len(written.folder) + 1 :], written.folder, place.field)
            return
    begin = (
        f"Begin it with a folder in the DAG ({place.field}='s3://bucket/folder/{{{{ params.name }}}}'), take all of "
        "it from an Airflow Variable ('{{ var.value.name }}'), or make a DAG for each place"
    )
    from_elsewhere = f"{place.field} {uri!r} depends on the run's params, its id, an XCom or a condition, and was not"
    if place.use == "read":
        raise InputError(f"{from_elsewhere} read. {begin}")
    if not is_in(location, configured("output_uris")):
        raise OutputError(
            f"{from_elsewhere} written. {begin}; or list the folder in [batchscore] output_uris, {_LIMITS}"
        )
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


def _own_folders(dag_file: str | None) -> Iterator[tuple[str, str]]:
    yield os.environ.get("AIRFLOW_HOME") or "~/airflow", "AIRFLOW_HOME"
    folder = conf.get("core", "dags_folder", fallback="")
    if folder:
        yield folder, "the DAGs folder"
    if dag_file:
        yield os.path.dirname(dag_file), "the folder of the DAG's file"
