"""Model names with fields, such as ``s3://models/{sensor}@champion``: one model per value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.reference import alias_uri

_FIELD = re.compile(r"\{(\w+)\}")
#: A field as a dataset's URI may have it: ``{year:\\d{4}}``.
_LIMITED = re.compile(r"\{([A-Za-z_]\w*):")


def template_fields(model: object) -> list[str]:
    """The fields in a model name, such as ``sensor`` in ``s3://models/{sensor}@champion``.

    Raises InputError for a field with an expression, which only a dataset's URI limits.
    """
    if isinstance(model, str) and (limited := _LIMITED.search(model)):
        raise InputError(f"model {model!r}: write {{{limited[1]}}} alone; only the dataset's uri limits its values")
    return list(dict.fromkeys(_FIELD.findall(model))) if isinstance(model, str) else []


def filled(model: str, values: Mapping[str, str]) -> str:
    """A model name with its fields filled from `values`; other braces are left unchanged."""
    return _FIELD.sub(lambda field: values.get(field[1], field[0]), model)


def models_of(template: str, conn_id: str | None = None) -> dict[str, str]:
    """Value -> name of every existing model for a name with one field, ``<uri>/{sensor}@<alias>``.

    Raises:
        InputError: the name has no alias.
    """
    (field,) = template_fields(template)
    base, at, alias = template.rpartition("@")
    if not at or "/" in alias:
        raise InputError(f"model={template!r}: name an alias, '<uri>/{{{field}}}@<alias>', to find the models by")
    root, _, rest = alias_uri(base, alias).partition(f"{{{field}}}")
    pattern = re.compile(f"{re.escape(root)}([^/]+){re.escape(rest)}")
    models = {}
    for file in storage.list_files(Location(root.rstrip("/"), conn_id), recursive=True):
        match = pattern.fullmatch(file.uri)
        if match:
            models[match[1]] = template.replace(f"{{{field}}}", match[1])
    return models
