"""Reads ORC stripes as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_batchscore.data.storage.errors import is_store_error
from airflow_batchscore.data.storage.opened import Opened
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE_ROWS = 1000


class OrcReader:
    """One open file and its requested columns.

    Args:
        columns: None for all.

    Attributes:
        schema: of all columns.
        rows, stripes: how many the file has.

    Raises InputError if the footer is damaged.
    """

    def __init__(self, opened: Opened, columns: Sequence[str] | None = None) -> None:
        import pyarrow.orc as orc

        self._opened = opened
        with _damage(f"{opened.uri} cannot be read as ORC, its footer is damaged"):
            self._file = orc.ORCFile(opened.file)
            self.schema: pa.Schema = self._file.schema
        self.rows: int = self._file.nrows
        self.stripes: int = self._file.nstripes
        names = dict.fromkeys(self.schema.names)
        self._columns = [name for name in names if columns is None or name in columns]

    def row_bytes(self) -> float:
        """The average size of the requested columns in the first rows. Raises InputError if they are damaged."""
        with _damage(f"{self._opened.uri} is damaged"):
            first = next(self.stream(_SAMPLE_ROWS), None)
        return max(first.nbytes / first.num_rows, 1) if first is not None and first.num_rows else 1

    def read(self, stripes: range, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of some stripes, each held in memory whole.

        Raises pyarrow.ArrowException or OSError: the stripe is damaged, or the store failed.
        """
        for stripe in stripes:
            whole = self._file.read_stripe(stripe, columns=self._read)
            for row in range(0, whole.num_rows, batch_rows):
                yield whole.slice(row, batch_rows).select(self._columns)

    def stream(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of all stripes, read from front to back. Raises like `read`."""
        import pyarrow.dataset as ds

        fragment = ds.OrcFileFormat().make_fragment(self._opened.file)
        for batch in fragment.to_batches(
            columns=self._read, batch_size=batch_rows, batch_readahead=1, use_threads=False
        ):
            yield batch.select(self._columns)

    @property
    def _read(self) -> list[str] | None:
        """The columns to ask Arrow for; None for all.

        Without any, the number of rows would be lost; and ``a.b`` would be taken for a member of ``a``.
        """
        if not self._columns:
            return list(self.schema.names[:1])
        return None if any("." in name for name in self._columns) else self._columns


@contextmanager
def _damage(what: str) -> Iterator[None]:
    """Raise InputError if a file is damaged; errors of the store pass."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if is_store_error(error):
            raise
        raise InputError(f"{what}: {error}") from error
