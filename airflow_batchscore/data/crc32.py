"""The CRC-32 of many texts at once, as `zlib.crc32` of their UTF-8."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Longer texts are computed one by one; all others byte by byte, each byte for all texts at once.
_LONG = 64
_POLYNOMIAL = 0xEDB88320


def crc32_of(texts: pa.StringArray) -> np.ndarray:
    """A 32-bit number for each text; any number where it is missing."""
    import numpy as np

    _, starts, content = texts.buffers()
    offsets = np.frombuffer(starts, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    data = np.frombuffer(content or b"", np.uint8)
    lengths, table = np.diff(offsets), _table()
    found = np.full(len(texts), 0xFFFFFFFF, np.uint32)
    for place in range(min(int(lengths.max(initial=0)), _LONG)):
        rows = np.flatnonzero(lengths > place)
        before = found[rows]
        found[rows] = table[(before ^ data[offsets[rows] + place]) & 0xFF] ^ (before >> 8)
    found ^= 0xFFFFFFFF
    for row in np.flatnonzero(lengths > _LONG):
        found[row] = crc32(data[offsets[row] : offsets[row + 1]].tobytes())
    return found


@cache
def _table() -> np.ndarray:
    import numpy as np

    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ _POLYNOMIAL, values >> 1).astype(np.uint32)
    return values
