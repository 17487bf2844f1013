"""Files compressed as a whole (``.gz``, ``.bz2``, ``.zst``, ``.xz``): read from front to back, as one block."""

from __future__ import annotations

import lzma
from typing import TYPE_CHECKING

from airflow_batchscore.data.storage.opened import Opened

if TYPE_CHECKING:
    import pyarrow as pa

#: Suffix -> Arrow's name of the compression.
_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}
_BUFFER_BYTES = 1 << 20


def is_packed(uri: str) -> bool:
    """Whether the file's name says that it is compressed."""
    return uri.lower().endswith(tuple(_CODECS))


def without_suffix(uri: str) -> str:
    """The name of the file when unpacked."""
    return uri.rpartition(".")[0] if is_packed(uri) else uri


def unpacked(opened: Opened) -> pa.NativeFile:
    """The file's content from the beginning. Reading raises OSError if it is damaged or cut off."""
    import pyarrow as pa

    if not is_packed(opened.uri):
        return opened.file
    codec = _CODECS[opened.uri[opened.uri.rindex(".") :].lower()]
    buffered = pa.BufferedInputStream(opened.file, _BUFFER_BYTES)
    if codec == "xz":  # unknown to Arrow
        return pa.PythonFile(_Xz(buffered), mode="r")
    return pa.CompressedInputStream(buffered, codec)


class _Xz(lzma.LZMAFile):
    """Reports damage like Arrow's own streams."""

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except EOFError as error:
            raise OSError(f"Truncated compressed stream: {error}") from error
        except lzma.LZMAError as error:
            raise OSError(f"xz decompress failed: {error}") from error
