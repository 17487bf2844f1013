"""The lines that begin in a byte range of a file."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: Read behind a range at once, to find the end of its last line.
_SLACK = 1 << 16

_kept = threading.local()


def read_lines(source: pa.NativeFile, start: int, stop: int, *, data_start: int, size: int) -> memoryview:
    """The lines that begin in ``[start, stop)``; a line that begins before belongs to the range before.

    Args:
        data_start: offset of the file's first row.
        size: bytes of the file.

    Returns:
        A view of a buffer that this thread uses again for its next range: fresh pages for every range would cost
        about as much time as parsing them.
    """
    first = start if start == data_start else start - 1
    length = stop - first
    filled = min(length + _SLACK, size - first)
    buffer = _fill(source, first, filled)
    begin = 0 if start == data_start else buffer.find(b"\n", 0, length) + 1
    if begin == 0 and start != data_start:
        return memoryview(b"")
    end = buffer.find(b"\n", length - 1, filled) + 1
    while end == 0 and first + filled < size:
        filled = min(2 * filled, size - first)
        buffer = _fill(source, first, filled)
        end = buffer.find(b"\n", length - 1, filled) + 1
    return memoryview(buffer)[begin : max(end or filled, begin)]


def count_of(lines: memoryview, character: str) -> int:
    """How often an ASCII character stands in `lines`."""
    import numpy as np

    # Few files quote anything. The whole buffer is looked at, which may hold more than the lines.
    buffer = lines.obj
    if isinstance(buffer, bytearray) and buffer.find(character.encode()) < 0:
        return 0
    array = np.frombuffer(lines, np.uint8)
    step = 1 << 20  # a mask of this size stays in the processor's cache
    return sum(int(np.count_nonzero(array[at : at + step] == ord(character))) for at in range(0, len(array), step))


def _fill(source: pa.NativeFile, offset: int, length: int) -> bytearray:
    buffer: bytearray | None = getattr(_kept, "buffer", None)
    if buffer is None or len(buffer) < length:
        _kept.buffer = None  # not two of them at once
        _kept.buffer = buffer = bytearray(length + _SLACK)
    view, read = memoryview(buffer), 0
    source.seek(offset)
    while read < length:
        count = source.readinto(view[read:length])
        if not count:
            raise OSError(f"the file ends {length - read} bytes early")
        read += count
    return buffer
