"""Finds one type for each key column of a partition whose files may state different ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_batchscore.data.common_type import common_type
from airflow_batchscore.data.formats.base import Source
from airflow_batchscore.data.formats.registry import format_named
from airflow_batchscore.data.type_names import arrow_type, name_of
from airflow_batchscore.errors import InputError


def key_types(
    sources: Sequence[Source], asked: Mapping[str, str | None], declared: Mapping[str, str], partition_key: str
) -> dict[str, str | None]:
    """Key column -> the type with which all files of a partition can be read exactly.

    Args:
        asked: the requested types, used as they are if no file states types: text, or the declared type.
        declared: types declared by the user, which always apply.

    Raises:
        InputError: two files have incompatible types for a column, such as numbers and text.
    """
    by_name: dict[str, dict[str, str]] = {}
    for source in sources:
        for name, kind in source.keys:
            by_name.setdefault(name, {}).setdefault(kind, source.uri)
    for source in sources:
        given = dict(source.given)
        for name in () if format_named(source.format).typed else by_name:
            if name not in given:
                by_name[name].setdefault("string", source.uri)
    types = dict(asked)
    for name, kinds in by_name.items():
        if name in declared:
            types[name] = declared[name]
            continue
        common = common_type([arrow_type(kind) for kind in kinds])
        if common is None:
            where = " and ".join(f"{arrow_type(kind)} in {uri}" for kind, uri in list(kinds.items())[:3])
            raise InputError(
                f"partition {partition_key}: the key {name!r} is {where}. No type holds both exactly: write the files "
                f"with one, or name one in PartitionedDataset(read_options={{'column_types': {{{name!r}: 'string'}}}})"
            )
        types[name] = name_of(common)
    return types
