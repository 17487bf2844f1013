"""One type for each key column of a partition, whose Parquet files may have several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_batchscore.data.blocks import Source
from airflow_batchscore.data.common_type import common_type
from airflow_batchscore.data.type_names import name_of, named
from airflow_batchscore.errors import InputError


def key_types(
    sources: Sequence[Source], asked: Mapping[str, str | None], declared: Mapping[str, str], partition_key: str
) -> dict[str, str | None]:
    """Key column -> the type that all files of a partition can be read with exactly.

    Args:
        asked: what is asked for, which stands where all files are CSV: text, or what was declared.
        declared: types that a person has named, which stand for all.

    Raises:
        InputError: two files have types of a column that go into none, such as numbers and text.
    """
    found: dict[str, dict[str, str]] = {}
    for source in sources:
        for name, kind in source.keys:
            found.setdefault(name, {}).setdefault(kind, source.uri)
    for source in sources:
        for name in found if source.kind != "row_groups" else ():
            found[name].setdefault("string", source.uri)
    types = dict(asked)
    for name, kinds in found.items():
        if name in declared:
            types[name] = declared[name]
            continue
        common = common_type([named(kind) for kind in kinds])
        if common is None:
            where = " and ".join(f"{named(kind)} in {uri}" for kind, uri in list(kinds.items())[:3])
            raise InputError(
                f"partition {partition_key}: the key {name!r} is {where}. No type holds both exactly: write the files "
                f"with one, or name one in PartitionedDataset(read_options={{'column_types': {{{name!r}: 'string'}}}})"
            )
        types[name] = name_of(common)
    return types
