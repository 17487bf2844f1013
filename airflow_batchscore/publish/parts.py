"""The scores to publish, read from the parts of committed partitions and checked against their manifests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.casting import fit
from airflow_batchscore.data.common_type import common_type
from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.formats.parquet_groups import EncodedFile, EncodedGroup, rows_in_pages
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.type_names import name_of
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.ahead import in_order
from airflow_batchscore.scoring.manifest import BlockResult, Manifest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def common_schema(manifests: Sequence[Manifest]) -> pa.Schema:
    """Columns of the parts of all partitions; key columns of different types get one that holds all of them exactly.

    Raises OutputError if partitions of one run have different columns.
    """
    import pyarrow as pa

    examples: dict[tuple[tuple[str, str], ...], Manifest] = {}
    for manifest in manifests:
        examples.setdefault(tuple(manifest.schema.items()), manifest)
    first, *others = examples.values()
    schema = part_schema(first)
    for other in others:
        theirs = part_schema(other)
        kinds = [
            common_type([mine.type, their.type]) if mine.name in other.keys or mine.type == their.type else None
            for mine, their in zip(schema, theirs, strict=False)
        ]
        if schema.names != theirs.names or None in kinds:
            raise OutputError(
                f"partition {other.key} has the columns {other.schema}, partition {first.key} has {first.schema}; "
                "partitions of one output must have the same, or types of the keys that one type holds exactly"
            )
        schema = pa.schema(list(zip(schema.names, kinds, strict=True)))
    return schema


@dataclass(frozen=True)
class Part:
    """One part of a committed partition.

    Its methods raise GateError if it is gone or damaged, or its rows differ from the manifest, and OutputError if it
    has other columns than the partition's first part. Other errors are the store's, and a retry may fix them.
    """

    manifest: Manifest
    block: BlockResult

    @classmethod
    def all_of(cls, manifest: Manifest) -> list[Part]:
        """The parts of a partition, in the order of its rows."""
        return [cls(manifest, block) for block in manifest.blocks]

    @property
    def location(self) -> Location:
        return self.manifest.folder / self.block.part

    @property
    def size(self) -> int:
        """In bytes."""
        return self.block.bytes

    def read(self) -> EncodedFile:
        """Its bytes, in two requests to a store: Arrow asks for the size first."""
        fs, path = storage.filesystem(self.location)
        with _usable(self.manifest, self.location), fs.open_input_file(path) as source:
            return EncodedFile(source.read_buffer())

    def has_own_footer(self, file: EncodedFile) -> bool:
        """Whether the footer of `file`, its bytes, is known to be the one that scoring wrote; another one raises."""
        if not self.block.footer:
            return False
        if file.footer.digest != self.block.footer:
            raise _unfit(self.manifest, f"{self.location} is damaged (its footer is not the one that scoring wrote)")
        return True

    def groups(self, file: EncodedFile) -> list[EncodedGroup]:
        """The row groups of `file`, its bytes."""
        with _usable(self.manifest, self.location):
            return file.groups

    def check(self, file: EncodedFile) -> pa.Schema:
        """Decode all pages of `file`, its bytes, to compare checksums and the number of rows. Returns its columns."""
        with self._opened(file) as opened:
            self._require_rows(rows_in_pages(opened))
            return opened.schema_arrow.remove_metadata()

    def table(self, file: EncodedFile, schema: pa.Schema | None = None) -> pa.Table:
        """The rows of `file`, its bytes.

        Args:
            schema: of the table, as returned by `common_schema`; None uses that of the part. Raises OutputError if a
                value is not exact in it.
        """
        with self._opened(file) as opened:
            table = opened.read(use_threads=False).replace_schema_metadata(None)
        self._require_rows(table.num_rows)
        return _typed(table, schema or table.schema, f"partition {self.manifest.key}: {self.location}")

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns of its rows; raises GateError also if another footer stands there than scoring wrote."""
        file = self.read()
        self.has_own_footer(file)
        with self._opened(file) as opened:
            table = opened.read(columns=list(names), use_threads=False).replace_schema_metadata(None)
        self._require_rows(table.num_rows)
        return table.select(list(names))

    @contextmanager
    def _opened(self, file: EncodedFile) -> Iterator[pq.ParquetFile]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        manifest = self.manifest
        with _usable(manifest, self.location):
            try:
                with pq.ParquetFile(pa.BufferReader(file.data), page_checksum_verification=True) as opened:
                    columns = {field.name: str(field.type) for field in opened.schema_arrow}
                    if columns != manifest.schema:
                        raise OutputError(
                            f"partition {manifest.key}: {self.location} has the columns {columns}, the partition's "
                            f"first part has {manifest.schema}. The types of the key columns differ between its files; "
                            "make them the same"
                        )
                    yield opened
            except OSError as error:  # not the store's: all bytes are in memory
                raise DamagedParquetError(str(error)) from error

    def _require_rows(self, rows: int) -> None:
        if rows != self.block.rows:
            raise _unfit(self.manifest, f"{self.location} holds {rows} rows, its manifest says {self.block.rows}")


def read_parts(manifest: Manifest, schema: pa.Schema | None = None) -> Iterator[pa.Table]:
    """The scores of a partition in row order, one part at a time; see `Part.table`. The next parts are read ahead."""
    return in_order(lambda part: part.table(part.read(), schema), Part.all_of(manifest), lambda part: part.size)


def _typed(table: pa.Table, schema: pa.Schema, what: str) -> pa.Table:
    import pyarrow as pa

    if table.schema.types == schema.types:  # the footer also says which columns may have nulls
        return pa.Table.from_arrays(table.columns, schema=schema)
    fitted = fit(table, {}, {field.name: name_of(field.type) for field in schema}, what)
    if fitted.problems:
        row, message = min(fitted.problems.items())
        raise OutputError(f"{what}, row {row}: {message}. Other partitions of this output have that type")
    return fitted.keys


def part_schema(manifest: Manifest) -> pa.Schema:
    """Columns of the parts of a partition. Raises GateError if the first part is gone or damaged."""
    part = manifest.folder / manifest.blocks[0].part
    with _usable(manifest, part):
        return read_footer(part).schema.to_arrow_schema().remove_metadata()


@contextmanager
def _usable(manifest: Manifest, part: Location) -> Iterator[None]:
    """Report the partition whose part is gone or damaged, and what to do; other storage errors are retried."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise _unfit(manifest, f"{part} is gone") from error
    except (DamagedParquetError, pa.ArrowException) as error:
        raise _unfit(manifest, f"{part} is damaged ({error})") from error


def _unfit(manifest: Manifest, what: str) -> GateError:
    return GateError(f"not published: partition {manifest.key}: {what}; score it again with force")
