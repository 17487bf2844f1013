"""What the DAG's author wrote of an operator's arguments, before params, XComs and run ids were filled in."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.definitions._internal.expandinput import MappedArgument
from airflow.sdk.definitions.mappedoperator import MappedOperator

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG, Context
    from jinja2 import nodes

#: Names in templates whose values nobody who triggers a run can choose, except for a date.
_AUTHORS = frozenset(
    {"var", "conn", "macros", "ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz"}
    | {"logical_date", "data_interval_start", "data_interval_end"}
)
#: Prefixes of MLflow model names, where other URIs have a folder.
_REGISTRIES = ("models:", "runs:")


@dataclass(frozen=True)
class Authored:
    """The beginning of a templated text that the DAG's author wrote, and whether that is all of it.

    Attributes:
        marks: the braces and wildcards in all that the author wrote; filled-in values have none, so they cannot become
            a pattern.
    """

    text: str
    whole: bool
    marks: str = ""

    @property
    def folder(self) -> str | None:
        """The folder that it names, if it names more than a scheme, a registry or a root."""
        scheme, separator, rest = self.text.partition("://")
        head, slash, _ = (rest if separator else self.text).rpartition("/")
        if not slash or not head.strip("/.~") or head in _REGISTRIES:
            return None
        return f"{scheme}{separator}{head}" if separator else head


def marks_of(text: str) -> str:
    """The characters that make a location a pattern."""
    return "".join(letter for letter in text if letter in "{}*?[]")


class AuthoredOperator(BaseOperator):
    """An operator that knows what its author wrote."""

    _written: Mapping[str, object]

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render; nested templates are rendered in place, so their holder must not be shared with other tasks."""
        if not hasattr(self, "_written"):
            self._written = {name: getattr(self, name) for name in self.template_fields}
        for name in self.template_fields:
            value = getattr(self, name)
            if hasattr(value, "template_fields"):
                setattr(self, name, copy.copy(value))
        super().render_template_fields(context, jinja_env)

    def authored(self, field: str, context: Context) -> list[Authored]:
        """What the author wrote for an argument; several items if it is a list, or a list is expanded."""
        return written_by_author(as_written(self), field, context, self.get_template_env())

    def producers(self, field: str) -> list[BaseOperator | MappedOperator]:
        """The tasks whose XComs make up an argument; none if it is text or a value."""
        return producers_of(as_written(self), field)

    def is_of_same_instance(self, tasks: Sequence[BaseOperator | MappedOperator]) -> bool:
        """Whether they are in this task's mapped group: each of its instances gets its own instance's XComs."""
        group = self.get_closest_mapped_task_group()
        groups = [task.get_closest_mapped_task_group() for task in tasks]
        return group is not None and all(each is not None and each.group_id == group.group_id for each in groups)

    def expanded_over_xcoms(self) -> set[str]:
        """Arguments that an XCom of the run fills in when the task is mapped."""
        task = as_written(self)
        if not isinstance(task, MappedOperator):
            return set()
        expanded: object = task._get_specified_expand_input().value
        if isinstance(expanded, Mapping):  # expand()
            return {name for name, value in expanded.items() if not isinstance(value, (list, tuple, Mapping))}
        if isinstance(expanded, (list, tuple)) and all(isinstance(raw, Mapping) for raw in expanded):  # expand_kwargs()
            return set()
        given: Mapping[str, object] = self._BaseOperator__init_kwargs  # type: ignore[attr-defined]
        partial = task.partial_kwargs
        return {name for name, value in given.items() if name not in partial or partial[name] is not value}


def producers_of(task: BaseOperator | MappedOperator, field: str) -> list[BaseOperator | MappedOperator]:
    """`AuthoredOperator.producers`, for any task of the DAG."""
    references = [XComArg.iter_xcom_references(raw) for raw in _raw(task, field)]
    return [producer for refs in references for producer, _ in refs]


def as_written(operator: BaseOperator) -> BaseOperator | MappedOperator:
    """The task in the DAG that `operator` executes. A mapped task executes as a different operator, with the expanded
    values filled in.
    """
    dag = dag_of(operator)
    task = dag.task_dict.get(operator.task_id) if dag else None
    return task if isinstance(task, MappedOperator) else operator


def kind_of(task: object) -> type:
    """The class of a task, including a mapped one."""
    kind = getattr(task, "operator_class", type(task))
    return kind if isinstance(kind, type) else object


def dag_of(operator: BaseOperator) -> DAG | None:
    """The operator's DAG; None if it has none, as in a notebook."""
    return operator.dag if operator.has_dag() else None


def argument(operator: object, field: str) -> Any:
    """An argument by name, an attribute (``"dataset.uri"``) or item (``"model.0"``) of one; None if there is none."""
    for name in field.split("."):
        operator = _inside(operator, name, None)
    return operator


def items_of(field: str, value: object) -> list[str]:
    """The names by which `argument` finds what a list holds; the argument's own if it is no list."""
    return [f"{field}.{number}" for number in range(len(value))] if isinstance(value, (list, tuple)) else [field]


def _inside(holder: object, name: str, default: object) -> Any:
    if not isinstance(holder, (list, tuple)):
        return getattr(holder, name, default)
    return holder[int(name)] if name.isdigit() and int(name) < len(holder) else default


def written_by_author(
    task: BaseOperator | MappedOperator, field: str, context: Context, environment: jinja2.Environment
) -> list[Authored]:
    """`AuthoredOperator.authored`, for any task of the DAG."""
    raws = [item for raw in _raw(task, field) for item in (raw if isinstance(raw, (list, tuple)) else [raw])]
    return [_authored(raw, context, environment) for raw in raws]


def _raw(task: BaseOperator | MappedOperator, field: str) -> list[object]:
    name, *inner = field.split(".")
    if isinstance(task, MappedOperator):
        raws = _mapped(task, name)
    else:
        written: Mapping[str, object] = getattr(task, "_written", {})
        raws = [written[name] if name in written else getattr(task, name, None)]
    raws = [value for raw in raws for value in _of_group(raw)]
    return [_inside(raw, inner[0], raw) for raw in raws] if inner else raws


def _mapped(task: MappedOperator, name: str) -> list[object]:
    expanded: object = task._get_specified_expand_input().value
    default = _default(task, name)
    if isinstance(expanded, Mapping):  # expand(): excludes what is in partial()
        return _values(expanded[name]) if name in expanded else [default]
    if name in task.partial_kwargs and task._disallow_kwargs_override:
        return [default]
    raws = expanded if isinstance(expanded, (list, tuple)) else [expanded]  # expand_kwargs()
    return [raw.get(name, default) if isinstance(raw, Mapping) else raw for raw in raws]


def _default(task: MappedOperator, name: str) -> object:
    """The value from partial(), default arguments, or the operator's signature."""
    group, dag = task.task_group, task.dag
    for given in (
        task.partial_kwargs,
        task.partial_kwargs.get("default_args"),
        group.default_args if group else None,
        dag.default_args if dag else None,
    ):
        if given and name in given:
            return given[name]
    parameter = inspect.signature(kind_of(task).__init__).parameters.get(name)  # type: ignore[misc]
    return None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default


def _of_group(raw: object) -> list[object]:
    """What a mapped task group was expanded over, if `raw` stands for that."""
    if not isinstance(raw, MappedArgument):
        return [raw]
    expanded = raw._input.value
    return _values(expanded[raw._key]) if isinstance(expanded, Mapping) else [expanded]


def _values(given: object) -> list[object]:
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _authored(raw: object, context: Context, environment: jinja2.Environment) -> Authored:
    from jinja2 import nodes

    if raw is None:
        return Authored("", True)
    if isinstance(raw, os.PathLike):
        return Authored(os.fspath(raw), True)
    if not isinstance(raw, str):
        return Authored("", False)
    authors = _AUTHORS | (environment.globals.keys() - context.keys())  # the DAG's own macros
    kept: list[nodes.Expr] = []
    tree = environment.parse(raw)
    for node in tree.body:
        for part in node.nodes if isinstance(node, nodes.Output) else [None]:
            if part is None or not _names(part) <= authors:
                text = _rendered(kept, context, environment)
                rest = [data.data for data in tree.find_all(nodes.TemplateData) if not any(data is one for one in kept)]
                return Authored(text, False, marks_of("".join([text, *rest])))
            kept.append(part)
    text = _rendered(kept, context, environment)
    return Authored(text, True, marks_of(text))


def _names(part: Any) -> set[str]:
    from jinja2 import nodes

    return {name.name for name in ([part] if isinstance(part, nodes.Name) else part.find_all(nodes.Name))}


def _rendered(parts: Sequence[nodes.Expr], context: Context, environment: jinja2.Environment) -> str:
    from jinja2 import nodes

    if not parts:
        return ""
    tree = nodes.Template([nodes.Output(parts, lineno=1)], lineno=1)
    tree.set_environment(environment)
    template = environment.from_string(tree)
    return "".join(map(str, template.root_render_func(template.new_context(dict(context)))))
