"""The text of flow files: unpacked, as UTF-8, in blocks of whole lines that know their line numbers."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BLOCK_BYTES = 1 << 20
BREAKS = (EOFError, gzip.BadGzipFile, zlib.error, csv.Error)
"""What reading text raises where a file breaks off, or is none."""
_GZIP, _ZSTD = b"\x1f\x8b", b"(\xb5/\xfd"


@dataclass(frozen=True)
class TextBlock:
    """Whole lines as UTF-8; the first of them has the number `first_line`, from 1."""

    text: bytes
    first_line: int

    def row_lines(self, rows: int) -> npt.NDArray[np.int64]:
        """The line in which each of the `rows` rows begins that are in it; empty lines are none."""
        if self.text.count(b"\n") + (not self.text.endswith(b"\n")) == rows:
            return np.arange(self.first_line, self.first_line + rows)
        lines = self.text.splitlines()
        begins = [at for at, line in enumerate(lines) if line]
        if len(begins) != rows:  # line ends within quotes
            begins = [begin for begin, cells in _quoted_rows(self.text.decode()) if cells]
        return self.first_line + np.array(begins[:rows], np.int64)


def _quoted_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader, begin = csv.reader(io.StringIO(text, newline="")), 0
    for cells in reader:
        yield begin, cells
        begin = reader.line_num


def has_line_end_in_quotes(text: bytes) -> bool:
    """Whether a line of the text, which begins with a line, goes on within quotes.

    >>> has_line_end_in_quotes(b'"a","b"\\n1,"2"\\n'), has_line_end_in_quotes(b'1,"2\\n3"\\n')
    (False, True)
    """
    if b'"' not in text:
        return False
    signs = np.frombuffer(text, np.uint8)
    quotes_before = np.searchsorted(np.flatnonzero(signs == ord('"')), np.flatnonzero(signs == ord("\n")))
    return bool((quotes_before % 2).any())


def is_packed(magic: bytes) -> bool:
    """Whether a file that begins with `magic` is gzip or zstd, which nobody can enter in the middle."""
    return magic.startswith((_GZIP, _ZSTD))


def unpacked(file: IO[bytes], magic: bytes) -> IO[bytes]:
    """What is in a file that begins with `magic`: gzip, zstd, or plain."""
    if magic.startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if magic.startswith(_ZSTD):
        return cast(IO[bytes], io.BufferedReader(_Zstd(file), BLOCK_BYTES))
    return file


class _LeftOpen(io.RawIOBase):
    """A file that stays open when this is closed: Arrow closes what it reads as it is forgotten."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        read = self._file.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)


class _Zstd(io.RawIOBase):
    """Frames of zstd; where they break off it raises EOFError, as gzip does."""

    def __init__(self, file: IO[bytes]) -> None:
        self._plain = pa.CompressedInputStream(_LeftOpen(file), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        try:
            read: int = self._plain.readinto(buffer)
        except OSError as error:
            raise EOFError(f"no whole zstd: {error}") from error
        return read


class TextBlocks:
    """Blocks of at most 1 MiB and a line, without a byte order mark; a line that is no UTF-8 is taken as cp1252, or
    else latin-1.

    They end where the source breaks off, behind the last whole line before: `require_whole` then raises it. `size` is
    how many bytes of the source are read at most; it ends with a line.
    """

    def __init__(self, source: IO[bytes], first_line: int = 1, size: int | None = None) -> None:
        self._source = source
        self._line = first_line
        self._left = size
        self._break: Exception | None = None

    def require_whole(self) -> None:
        """Raise what the source broke off with, if it did."""
        if self._break is not None:
            raise self._break

    def __iter__(self) -> Iterator[TextBlock]:
        while True:
            try:
                lines = self._next_lines()
            except BREAKS as error:
                self._break = error
                return
            if not lines:
                return
            block = TextBlock(_as_utf8(lines.removeprefix(codecs.BOM_UTF8) if self._line == 1 else lines), self._line)
            self._line += lines.count(b"\n")
            yield block

    def _next_lines(self) -> bytes:
        lines = self._source.read(BLOCK_BYTES if self._left is None else min(BLOCK_BYTES, self._left))
        if lines and not lines.endswith(b"\n"):
            rest = self._source.readline(BLOCK_BYTES)
            if len(rest) == BLOCK_BYTES and not rest.endswith(b"\n"):
                raise csv.Error(f"a line has more than {BLOCK_BYTES} bytes")
            lines += rest
        if self._left is not None:
            self._left -= len(lines)
        return lines


def _as_utf8(text: bytes) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        return b"".join(decode_line(line).encode() for line in text.splitlines(keepends=True))
    return text


def decode_line(line: bytes) -> str:
    """One line as text: UTF-8, or where it is none, cp1252, or else latin-1."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")
