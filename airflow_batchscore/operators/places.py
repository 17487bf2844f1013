"""What a task may read, write and load is what the DAG's author wrote; a run's params and XComs only fill in names.

Params, XComs and run ids come from people who may trigger runs; the DAG's own text, Variables, connections and dates
do not. A place therefore begins with a folder that the author wrote, and what is filled in after it leads nowhere else.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator, conf
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_batchscore.connections import known_as
from airflow_batchscore.data import storage
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.operators.seal import SECTION

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG, Context

#: Names in templates whose values no trigger of a run chooses, but for a date.
_AUTHORS = frozenset(
    {"var", "conn", "macros", "ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz"}
    | {"logical_date", "data_interval_start", "data_interval_end"}
)
_PAIR = re.compile(r"(?:([^@/:]+)@)?(.+)")


@dataclass(frozen=True)
class Place:
    """A templated argument that names a place.

    Attributes:
        field: its name, ``"dataset.uri"`` for that of a data set.
        conn: the argument that names its connection.
        use: a ``"model"`` is held to what may be loaded where it is resolved, see `operators.trust`.
    """

    field: str
    conn: str
    use: Literal["read", "write", "model"]


DATASET = Place("dataset.uri", "dataset.conn_id", "read")


@dataclass(frozen=True)
class Authored:
    """The beginning of a templated text that the DAG's author wrote, and whether that is all of it."""

    text: str
    whole: bool

    @property
    def folder(self) -> str | None:
        """The folder that it names, if it names more than a scheme or a root."""
        scheme, separator, rest = self.text.partition("://")
        head, slash, _ = (rest if separator else self.text).rpartition("/")
        if not slash or not head.strip("/.~"):
            return None
        return f"{scheme}{separator}{head}" if separator else head


class PlacedOperator(BaseOperator):
    """An operator whose arguments name places."""

    #: Every argument that does.
    places: ClassVar[tuple[Place, ...]] = ()
    _written: Mapping[str, Any]

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, *more: Any, **named: Any
    ) -> None:
        """Keep what was written. Mapped tasks are rendered by this alone, never by `render_template_fields`.

        What has templates inside is rendered in place, so it must not be what other tasks share.
        """
        if parent is self:
            self._written = {name: getattr(self, name) for name in self.template_fields}
            for name, value in self._written.items():
                if hasattr(value, "template_fields"):
                    setattr(self, name, copy.copy(value))
        super()._do_render_template_fields(parent, template_fields, context, *more, **named)

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
            if place.use == "model" or value in (None, "") or not isinstance(value, (str, os.PathLike)):
                continue
            uri = os.fspath(value)
            known = known_as(uri, argument(self, place.conn))
            _require_authored_place(self, place, uri, known, context)
            if place.use == "write":
                _require_output(self, place.field, uri, known)

    def authored(self, field: str, context: Context) -> list[Authored]:
        """What the author wrote for an argument; several where a list is expanded."""
        name, *inner = field.split(".")
        dag = dag_of(self)
        task = dag.task_dict.get(self.task_id) if dag else None
        # A mapped task executes as another operator than the DAG holds: it has the values that were expanded already.
        expanded = _expanded(task, name) if isinstance(task, MappedOperator) else None
        raws = [_unrendered(self, name)] if expanded is None else expanded
        return [_authored(_inside(raw, inner), context, self.get_template_env()) for raw in raws]


def dag_of(operator: BaseOperator) -> DAG | None:
    """The operator's DAG; None where it has none, as in a notebook."""
    return operator.dag if operator.has_dag() else None


def written_by_author(
    task: BaseOperator | MappedOperator, field: str, context: Context, environment: jinja2.Environment
) -> list[Authored]:
    """`PlacedOperator.authored`, of another task of the DAG."""
    name, *inner = field.split(".")
    if isinstance(task, MappedOperator):
        expanded = _expanded(task, name)
        raws = [task.partial_kwargs.get(name)] if expanded is None else expanded
    else:
        raws = [_unrendered(task, name)]
    return [_authored(_inside(raw, inner), context, environment) for raw in raws]


def configured(option: str) -> tuple[tuple[str | None, str], ...]:
    """``[batchscore] <option>``: pairs of connection and URI, written ``conn_id@uri``, or ``uri`` for the default."""
    words = (conf.get(SECTION, option, fallback="") or "").replace(",", " ").split()
    pairs = [match.groups() for match in map(_PAIR.fullmatch, words) if match]
    return tuple((known_as(uri, conn_id), uri) for conn_id, uri in pairs)


def is_below(uri: str, known: str | None, places: Sequence[tuple[str | None, str]]) -> bool:
    """Whether `uri`, read through the connection `known`, lies below one of some configured places."""
    return any(known == conn and storage.is_below(uri, place) for conn, place in places)


def _require_authored_place(
    operator: PlacedOperator, place: Place, uri: str, known: str | None, context: Context
) -> None:
    for written in operator.authored(place.field, context):
        if written.whole:
            return
        if written.folder and uri.startswith(written.text):
            require_plain(uri[len(written.folder) + 1 :], f"{place.field} below {written.folder}:")
            return
    if place.use == "write":
        if is_below(uri, known, configured("output_uris")):
            require_plain(uri, place.field)
            return
        raise OutputError(
            f"{place.field} {uri!r} comes from the run's params or an XCom, and was not written. Begin it with a "
            f"folder in the DAG ({place.field}='s3://bucket/folder/{{{{ params.name }}}}'), or list the folder in "
            "[batchscore] output_uris"
        )
    raise InputError(
        f"{place.field} {uri!r} comes from the run's params or an XCom, and was not read. Begin it with a folder in "
        f"the DAG ({place.field}='s3://bucket/folder/{{{{ params.name }}}}')"
    )


def _require_authored_connection(operator: PlacedOperator, field: str, context: Context) -> None:
    value = argument(operator, field)
    if value in (None, "") or any(written.whole for written in operator.authored(field, context)):
        return
    raise InputError(
        f"{field} {value!r} comes from the run's params or an XCom, and was not used: who triggers a run does not "
        "choose the connection. Name it in the DAG, or in an Airflow Variable ('{{ var.value.name }}')"
    )


def _require_output(operator: PlacedOperator, field: str, uri: str, known: str | None) -> None:
    """Raises OutputError for places that `[batchscore] output_uris` does not list, and for Airflow's own folders."""
    allowed = configured("output_uris")
    if is_below(uri, known, allowed):
        return
    if allowed:
        raise OutputError(
            f"{field} {uri!r} lies below none of [batchscore] output_uris "
            f"({', '.join(place for _, place in allowed)}), and was not written"
        )
    if not storage.is_local(uri):
        return
    for folder, what in _own_folders(operator):
        if uri == folder or storage.is_below(uri, folder):
            raise OutputError(
                f"{field} {uri!r} lies in {what} ({folder}), and was not written. Write elsewhere, or list its folder "
                "in [batchscore] output_uris"
            )


def _own_folders(operator: PlacedOperator) -> Iterator[tuple[str, str]]:
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    yield os.path.realpath(os.path.expanduser(home)), "AIRFLOW_HOME"
    folder = conf.get("core", "dags_folder", fallback="")
    if folder:
        yield os.path.realpath(os.path.expanduser(folder)), "the DAGs folder"
    dag = dag_of(operator)
    if dag and dag.fileloc:
        yield os.path.dirname(os.path.realpath(dag.fileloc)), "the DAG's folder"


def argument(operator: Any, field: str) -> Any:
    """An argument by its name, or one of what it holds, such as ``"dataset.uri"``; None where there is none."""
    for name in field.split("."):
        operator = getattr(operator, name, None)
    return operator


def _unrendered(task: BaseOperator, name: str) -> Any:
    written: Mapping[str, Any] = getattr(task, "_written", {})
    return written[name] if name in written else getattr(task, name, None)


def _inside(raw: Any, inner: Sequence[str]) -> Any:
    return getattr(raw, inner[0], raw) if inner else raw


def _expanded(task: MappedOperator, name: str) -> list[Any] | None:
    """What an argument is expanded over, as it stands in the DAG; None where it is not."""
    given: Any = task._get_specified_expand_input().value
    if isinstance(given, Mapping):  # expand(name=...)
        if name not in given:
            return None
        some = given[name]
        return list(some) if isinstance(some, (list, tuple)) else [some]
    if name in task.partial_kwargs:  # which expand_kwargs(...) cannot override
        return None
    if not isinstance(given, (list, tuple)):
        return [given]
    named = [one for one in given if not isinstance(one, Mapping) or name in one]
    return [one[name] if isinstance(one, Mapping) else one for one in named] or None


def _authored(raw: Any, context: Context, environment: jinja2.Environment) -> Authored:
    from jinja2 import nodes

    if raw is None:
        return Authored("", True)
    if isinstance(raw, os.PathLike):
        return Authored(os.fspath(raw), True)
    if not isinstance(raw, str):
        return Authored("", False)
    kept: list[nodes.Expr] = []
    for node in environment.parse(raw).body:
        for part in node.nodes if isinstance(node, nodes.Output) else [None]:
            if part is None or not _is_authors(part):
                return Authored(_rendered(kept, context, environment), False)
            kept.append(part)
    return Authored(_rendered(kept, context, environment), True)


def _is_authors(part: Any) -> bool:
    from jinja2 import nodes

    names = [part] if isinstance(part, nodes.Name) else part.find_all(nodes.Name)
    return {name.name for name in names} <= _AUTHORS


def _rendered(parts: list[Any], context: Context, environment: jinja2.Environment) -> str:
    from jinja2 import nodes

    if not parts:
        return ""
    tree = nodes.Template([nodes.Output(parts, lineno=1)], lineno=1)
    tree.set_environment(environment)
    template = environment.from_string(tree)
    return "".join(map(str, template.root_render_func(template.new_context(dict(context)))))
