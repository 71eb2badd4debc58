"""The bytes of a `.joblib` or `.pkl` file, whatever joblib compressed them with, within limits."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import lz4.frame

from netheal.bundles.intake.limits import FREE_BYTES, LZMA_MEMORY_BYTES, MEGABYTE, PLAIN_BYTES, RATIO
from netheal.errors import BundleError

_PIECE = MEGABYTE
_HDF5 = b"\x89HDF\r\n\x1a\n"


def is_hdf5(data: memoryview) -> bool:
    """Whether these are the bytes of an `.h5`."""
    return bytes(data[: len(_HDF5)]) == _HDF5


class _Inflate:
    """zlib's decompressor with the interface that bz2's and lzma's have."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + bytes(data), max_length)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


_FORMATS: tuple[tuple[bytes, str, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", "gzip", lambda: _Inflate(31)),
    (b"BZ", "bz2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, LZMA_MEMORY_BYTES)),
    (b"\x5d\x00", "lzma", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, LZMA_MEMORY_BYTES)),
    (b"\x04\x22\x4d\x18", "lz4", lz4.frame.LZ4FrameDecompressor),
    (b"\x78", "zlib", lambda: _Inflate(15)),
)


def plain_bytes(data: memoryview) -> tuple[str, memoryview]:
    """The compression's name (`none` without one) and the bytes inside.

    Raises BundleError for a damaged stream, bytes after its end, or more than the limits allow.
    """
    head = bytes(data[:8])
    for prefix, name, make in _FORMATS:
        if head.startswith(prefix):
            try:
                return name, memoryview(_inflated(data, name, make()))
            except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError) as error:
                raise BundleError(f"the file is not what {name} writes: {error}") from error
    if head.startswith(b"ZF"):
        raise BundleError("the file was written by joblib before 0.10: save it again with joblib of today")
    if head.startswith(b"PK"):
        raise BundleError("the file is a zip archive, not a bundle of joblib or pickle")
    return "none", data


def _inflated(data: memoryview, name: str, machine: Any) -> bytearray:
    most = min(PLAIN_BYTES, max(FREE_BYTES, RATIO * data.nbytes))
    out, place = bytearray(), 0
    while not machine.eof:
        piece = b"" if not machine.needs_input else data[place : place + _PIECE]
        place += len(piece)
        if machine.needs_input and not len(piece):
            raise BundleError(f"the {name} stream ends too early: the file is incomplete")
        out += machine.decompress(piece, _PIECE)
        if len(out) > most:
            raise BundleError(f"the file unpacks to more than {most // MEGABYTE} MB: that is no model's ratio")
    if machine.unused_data or place < data.nbytes:
        raise BundleError(f"there are bytes after the end of the {name} stream: the file was tampered with")
    return out
