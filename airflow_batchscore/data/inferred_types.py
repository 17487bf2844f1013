"""Infers a dataset's column types at training time; scoring then holds every partition to them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

from airflow_batchscore.data.blocks import cut, require_columns
from airflow_batchscore.data.common_type import common_type
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Block, Source
from airflow_batchscore.data.formats.registry import format_named
from airflow_batchscore.data.formats.typed_rows import plain_type
from airflow_batchscore.data.no_type import NO_TYPE
from airflow_batchscore.data.storage import FileInfo
from airflow_batchscore.data.type_names import arrow_type, name_of
from airflow_batchscore.data.virtual import type_of, virtual_names
from airflow_batchscore.errors import InputError

log = logging.getLogger(__name__)

_WHOLE = ("int64", "uint64")
#: pandas' name for an unnamed index, such as that of filtered rows.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def infer_types(
    dataset: PartitionedDataset,
    partitions: Sequence[Partition],
    columns: Sequence[str] | None,
    required: Sequence[str] = (),
) -> dict[str, str | None]:
    """Type names of `columns` (None for all) over all files of `partitions`, each of which must have `required`.

    In files that do not state types, columns that mix numbers and text are text. A column without any value has the
    type `NO_TYPE`. Stated types other than numbers, text or Booleans are Arrow's own (see `type_names`). An index that
    pandas wrote without a name (``__index_level_0__``) is not a column unless `columns` or `required` name it.

    Raises:
        InputError: a column is missing, occurs twice, or has incompatible types across files that state them.
    """
    kinds: dict[str, dict[str, Source]] = {}
    sources: dict[Source, None] = {}
    seen: set[FileInfo] = set()
    for partition in partitions:
        if dataset.by is not None:
            # Partitions of one file have the types of the file, which is looked at once.
            partition = replace(partition, files=tuple(file for file in partition.files if file not in seen))
            seen.update(partition.files)
        wanted = [*(columns or ()), *required]
        blocks = cut(dataset, partition, block_rows=1 << 30, columns=wanted, numbered=False)
        for source in dict.fromkeys(block.source for block in blocks):
            require_columns(source, required, partition_key=partition.key)
            sources[source] = None
        for block in blocks:
            for name, kind in _types(dataset, block, columns, required, partition.key):
                kinds.setdefault(name, {}).setdefault(kind, block.source)
    _tell_of_strangers(dataset, sources)
    declared = dataset.column_types
    return {name: declared.get(name) or _agreed(name, types) for name, types in kinds.items()}


def sample_types(
    dataset: PartitionedDataset, partition: Partition, columns: Sequence[str] | None, required: Sequence[str]
) -> dict[str, str | None]:
    """`infer_types` for one partition, based on its first files, for data that is never trained on.

    If files state types, their schemas are read until every type is known; otherwise only the first rows of the first
    file that has some.

    Raises InputError naming a missing column.
    """
    files: dict[Source, Block] = {}
    needed = [*(columns or ()), *required]
    for block in cut(dataset, partition, block_rows=1 << 30, columns=needed, numbered=False):
        files.setdefault(block.source, block)
    _tell_of_strangers(dataset, files)
    kinds: dict[str, str] = {}
    for first in files.values():
        require_columns(first.source, needed, partition_key=partition.key)
        here = dict(_types(dataset, first, columns, required, partition.key, sample=True))
        kinds = {n: here.get(n, kind) if kind == NO_TYPE else kind for n, kind in (kinds or here).items()}
        is_read = not format_named(first.source.format).typed and set(here.values()) != {NO_TYPE}
        if is_read or NO_TYPE not in kinds.values():
            break
    return {name: dataset.column_types.get(name, kind) for name, kind in kinds.items()}


def _tell_of_strangers(dataset: PartitionedDataset, sources: Iterable[Source]) -> None:
    """Warn of declared types for columns that no file has: a typing error leaves the right column without its type."""
    has = {name for source in sources for name in (*source.columns, *dict(source.given))}
    strange = tuple(sorted({*dataset.column_types} - has - virtual_names(dataset)))
    if has and strange:
        close = {name: get_close_matches(name, has - {*dataset.column_types}, 1) for name in strange}
        _warn_once(
            dataset.uri,
            ", ".join(f"{name!r}{f' (is it {found[0]!r}?)' if found else ''}" for name, found in close.items()),
        )


@lru_cache(maxsize=256)
def _warn_once(uri: str, names: str) -> None:
    log.warning("%s: read_options column_types names %s, which no file that was looked at has", uri, names)


def _types(
    dataset: PartitionedDataset,
    block: Block,
    columns: Sequence[str] | None,
    required: Sequence[str],
    partition_key: str,
    *,
    sample: bool = False,
) -> Iterator[tuple[str, str]]:
    """Columns with the types found in a block. The type of a required column counts only if the file states it."""
    source, read_as = block.source, format_named(block.source.format)

    def wanted(name: str) -> bool:
        if read_as.typed:
            return name in required or (name in columns if columns is not None else not _UNNAMED_INDEX.fullmatch(name))
        return columns is None or name in columns

    if read_as.typed:
        require_columns(source, [name for name in source.columns if wanted(name)], partition_key=partition_key)
    yield from read_as.types(block, dataset.settings, wanted, sample=sample)
    stated = dict(source.given_types)
    for name, _ in source.given:
        if name not in stated:
            yield name, type_of(source, name)
        elif wanted(name):
            yield name, plain_type(arrow_type(stated[name]))


def _agreed(name: str, types: Mapping[str, Source]) -> str:
    """The common type of a column, given each type found and a file that has it."""
    kinds = [kind for kind in types if kind != NO_TYPE]
    if len(kinds) < 2:
        return kinds[0] if kinds else NO_TYPE
    if "float64" in kinds and set(kinds) <= {"float64", *_WHOLE}:
        return "float64"
    if not all(format_named(types[kind].format).typed for kind in kinds):
        return "string"
    common = common_type([arrow_type(kind) for kind in kinds])
    if common is None:
        where = " and ".join(f"{kind} in {types[kind].uri}" for kind in kinds[:3])
        raise InputError(
            f"the column {name!r} is {where}. Write the files with one type, name one in PartitionedDataset("
            f"read_options={{'column_types': {{{name!r}: 'string'}}}}), or leave it out: Recipe(columns=[...])"
        )
    return name_of(common)


def reading_types(
    declared: Mapping[str, str], raw: Mapping[str, str | None], columns: Iterable[str], whole: Sequence[str] = ()
) -> dict[str, str | None]:
    """Types to read `columns` with, given those found at training.

    Integers are read as float64, so that a missing value does not change a column's type from block to block; columns
    in `whole` and columns with a declared type keep theirs.
    """

    def of(name: str) -> str | None:
        kind = declared.get(name) or raw.get(name)
        return "float64" if kind in _WHOLE and name not in whole and name not in declared else kind

    return {name: of(name) for name in columns}
