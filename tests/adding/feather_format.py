"""A format of another package: Arrow IPC files ("Feather")."""

from collections.abc import Callable, Iterator, Sequence

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import Block, CutRequest, Format, Range, ReadSettings, Source, Types
from airflow_batchscore.data.formats.typed_rows import TypedRows, key_types_in, types_in
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.storage.opened import open_input


class Feather(Format):
    typed = True

    def cut(self, file: FileInfo, settings: ReadSettings, request: CutRequest) -> tuple[Source, Sequence[Range]]:
        from pyarrow import ipc

        with open_input(Location(file.uri, settings.conn_id), file.stamp) as opened:
            table = ipc.open_file(opened.file)
        columns, keys = tuple(table.schema.names), key_types_in(table.schema, request.keys)
        source = Source(file.uri, opened.stamp, self.name, "batches", columns, keys=keys)
        return source, [(number, number + 1, 0, 0) for number in range(table.num_record_batches)]

    def read(self, block: Block, settings: ReadSettings, columns: Types, keys: Types) -> Iterator[Batch]:
        from pyarrow import ipc

        rows = TypedRows(block, settings, columns, keys)
        with open_input(Location(block.source.uri, settings.conn_id), block.source.stamp) as opened:
            table = ipc.open_file(opened.file)
            batches = (table.get_batch(number).select(rows.names) for number in range(block.start, block.stop))
            yield from rows.of(batches, table.schema)

    def types(
        self, block: Block, settings: ReadSettings, wanted: Callable[[str], bool], *, sample: bool
    ) -> Iterator[tuple[str, str]]:
        from pyarrow import ipc

        with open_input(Location(block.source.uri, settings.conn_id), block.source.stamp) as opened:
            return types_in(ipc.open_file(opened.file).schema, wanted)
