"""What a file format must do (`Format`), and the words it shares with the rest of the house."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.data.storage import FileInfo, Stamp
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionDtype

#: Maximum number of rows per batch. Fewer cost more of Python per row, more gain nothing and take memory.
BATCH_ROWS = 250_000
#: Maximum number of bytes per batch, for columns of long strings.
BATCH_BYTES = 64 << 20

#: First and last unit (excluded) of a file; for part of one unit also its first and last row (excluded), else zeros.
Range = tuple[int, int, int, int]


#: Column -> pandas type: a string for integers, otherwise an object.
Dtypes: TypeAlias = Mapping[str, "str | ExtensionDtype"]


@dataclass(frozen=True)
class ReadSettings:
    """How the files of a dataset are opened and read.

    Attributes:
        options: ``PartitionedDataset.read_options``.
    """

    conn_id: str | None = None
    options: JsonMapping = field(default_factory=dict)

    @property
    def column_types(self) -> Mapping[str, str]:
        """Column -> type name of the declared columns."""
        return self.options.get("column_types") or {}


@dataclass(frozen=True)
class CutRequest:
    """What a file is cut for.

    Attributes:
        block_rows: number of rows that a block should have.
        columns: those that will be read; None for all.
        batch_bytes: maximum number of bytes a reader may return at once.
        keys: columns whose types are recorded in `Source.keys`, if the format has types.
    """

    block_rows: int
    columns: Sequence[str] | None = None
    batch_bytes: int = BATCH_BYTES
    keys: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """One file of a partition, with what a reader must know before opening it.

    Attributes:
        stamp: of the file when it was opened for cutting; a reader refuses other bytes.
        format: name of its `Format`.
        kind: what blocks count, such as ``bytes`` or ``row_groups``; ``stream`` if the file is one block of any number
            of rows, read from front to back.
        columns: the column names, in file order.
        rows: number of rows, if the file states it.
        data_start: for ``bytes``, the offset of the first row.
        line_end: for files of lines, the character that ends every line.
        batch_rows: maximum number of rows a reader returns at once.
        batch_bytes: maximum number of bytes a reader returns at once.
        keys: the types of the key columns requested from `cut`, if the format has types; see `type_names`.
        given: columns that were requested and that the file lacks, with the value of all of its rows; see `virtual`.
        given_types: of those that the dataset states, not the partition: with the types that they have there.
        only: the partition whose rows are read, if those of the file are divided among several; see `divided`.
    """

    uri: str
    stamp: Stamp
    format: str
    kind: str
    columns: tuple[str, ...]
    rows: int | None = None
    data_start: int = 0
    line_end: str = "\n"
    batch_rows: int = BATCH_ROWS
    batch_bytes: int = BATCH_BYTES
    keys: tuple[tuple[str, str], ...] = ()
    given: tuple[tuple[str, str | None], ...] = ()
    only: tuple[tuple[str, str], ...] = ()
    given_types: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Size in storage, in bytes."""
        return self.stamp.size

    @property
    def is_stream(self) -> bool:
        return self.kind == "stream"


@dataclass(frozen=True)
class Block:
    """`start` to `stop` of a source, stop excluded, in units of `Source.kind`.

    Attributes:
        rows: first and last row (excluded) within a single unit, if the block is part of one; zeros otherwise.
        before: number of rows of the partition before the block, if somebody asked for the numbers of rows.
    """

    index: int
    source: Source
    start: int
    stop: int
    rows: tuple[int, int] = (0, 0)
    before: int = 0

    @property
    def name(self) -> str:
        """The block's name in messages."""
        part = f", rows {self.rows[0]} to {self.rows[1]}" if self.rows[1] else ""
        return f"block {self.index} ({self.source.uri}, {self.source.kind} {self.start} to {self.stop}{part})"


#: Column -> Arrow type to read it with; None: the file's own, or text.
Types = Mapping[str, str | None]


class Format(ABC):
    """One file format. It has no state: the same object serves all threads and all files.

    Attributes:
        name: the value of ``PartitionedDataset(format=...)``. For a format of another package it is the suffix that
            its entry point names, without the dot.
        options: the ``read_options`` it knows.
        typed: whether its files state the types of their columns. If not, types are found in the values: a column that
            mixes numbers and text is text, and so is a key without a declared type, byte for byte.
        packed: whether files may be compressed as a whole; see `compression`.
    """

    name: str
    options: frozenset[str] = frozenset({"column_types"})
    typed: bool = False
    packed: bool = False

    def check(self, options: JsonMapping) -> None:  # noqa: B027 - most formats have nothing to check
        """Raise InputError for ``read_options`` that cannot be, when a dataset is made."""

    @abstractmethod
    def cut(self, file: FileInfo, settings: ReadSettings, request: CutRequest) -> tuple[Source, Sequence[Range]]:
        """The file's columns and row count, and the ranges to read it in: every row in one of them, in file order.

        Read little: a header, a footer. The ranges may be empty if the file has no rows.

        Raises:
            InputError: the file cannot be read in this format.
            InputChangedError: it is not the one `file.stamp` pins.
        """

    @abstractmethod
    def read(self, block: Block, settings: ReadSettings, columns: Types, keys: Types) -> Iterator[Batch]:
        """The rows of a block in order, in batches; see `blocks.read`.

        Every row is in a batch: as values, or as a `BadRow` if it cannot be read. `Batch.table` and `Batch.keys` have
        these columns, in the types that `type_names.arrow_type` makes of the names; `no_type.NO_TYPE` is a column that
        had no value yet, and None is the file's own type, or text. A table without columns needs its number of rows
        all the same (``pa.table({"": pa.nulls(rows)}).select([])``).
        """

    @abstractmethod
    def types(
        self, block: Block, settings: ReadSettings, wanted: Callable[[str], bool], *, sample: bool
    ) -> Iterator[tuple[str, str]]:
        """Columns that are `wanted` with the types found in a block, as often as they are found.

        Args:
            sample: look at the first rows only.
        """

    def rows(self, block: Block, settings: ReadSettings) -> int | None:
        """How many rows a block has, if the file states it: less is then read where rows are numbered."""
        return None

    def notebook_types(self, source: Source, settings: ReadSettings, names: Sequence[str]) -> Dtypes | None:
        """Types of pandas' own that a file states for some columns; None if it has no rows. See `data.notebook`."""
        return {}


def require_bytes(uri: str, size: int) -> None:
    """Raise InputError for a file of 0 bytes."""
    if size == 0:
        raise InputError(f"{uri} is empty (0 bytes)")
