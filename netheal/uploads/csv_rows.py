"""An uploaded file as rows of cells with their line numbers: what it is, how it is written, never all of it at once."""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO

from netheal.records.flow_files import DELIMITERS
from netheal.records.flow_text import decode_line
from netheal.records.headers import header_line_fault
from netheal.uploads.refusal import FileRefused

MAX_ROW_CHARS = 1 << 20
"""As of a message: a longer row is a quote that nobody closed, or no table at all."""
MAX_LINES = 1_000_000
"""Empty ones, and those within quotes, are no rows, and yet somebody has to read them."""
_HEAD_BYTES = 64 * 1024
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OTHER_KINDS = {
    b"\x1f\x8b": "is gzip: unpack it first (gunzip) and upload the CSV",
    b"PK\x03\x04": "is a zip archive: unpack it first and upload the CSV",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook: save it as CSV (UTF-8) and upload that",
    b"PAR1": "is Parquet: write it as CSV, or send it with 'netheal traffic send'",
    b"BZh": "is bzip2: unpack it first and upload the CSV",
    b"\xfd7zXZ": "is xz: unpack it first and upload the CSV",
    b"(\xb5/\xfd": "is zstd: unpack it first and upload the CSV",
    b"7z\xbc\xaf": "is a 7z archive: unpack it first and upload the CSV",
    b"%PDF": "is a PDF: upload the CSV that it was made of",
    b"\xd4\xc3\xb2\xa1": "is a packet capture: let a flow meter (CICFlowMeter) make a CSV of it first",
    b"\xa1\xb2\xc3\xd4": "is a packet capture: let a flow meter (CICFlowMeter) make a CSV of it first",
    b"\x0a\x0d\x0d\x0a": "is a packet capture: let a flow meter (CICFlowMeter) make a CSV of it first",
    b"{": "looks like JSON: upload a CSV, or send JSON messages to the input topic",
    b"<": "looks like HTML or XML: upload the CSV itself",
}


@dataclass(frozen=True)
class Row:
    """The cells of a row; it begins in line `line` of the file and has `chars` characters."""

    line: int
    cells: list[str]
    chars: int


def csv_rows(file: IO[bytes], worth: Callable[[list[str]], int]) -> Iterator[Row]:
    """The rows of a file from its beginning, empty lines left out; the first is the header, if it has one.

    The delimiter is the one of `DELIMITERS` under which `worth` of the first line's cells is the highest.
    Raises FileRefused for what is no text of rows.
    """
    lines = _Lines(_text_lines(file))
    skipped = 0
    for first in lines:
        if first.strip():
            break
        skipped += 1
    else:
        raise FileRefused("empty_file", "the file is empty: upload a CSV with a header and at least one row")
    if (fault := header_line_fault(len(first))) is not None:
        raise FileRefused("not_csv", fault)
    delimiter = max(DELIMITERS, key=lambda sign: worth(next(csv.reader([first], delimiter=sign))))
    yield from _rows(lines, first, delimiter, skipped)


def _rows(lines: "_Lines", first: str, delimiter: str, skipped: int) -> Iterator[Row]:
    reader = csv.reader(chain([first], lines), delimiter=delimiter)
    while True:
        line = skipped + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise FileRefused("not_csv", f"line {line}: {error}; is a quote not closed?", {"line": line}) from error
        if cells is None:
            return
        if len(cells) > 1 or any(map(str.strip, cells)):
            yield Row(line, cells, lines.row_chars)
        lines.row_chars = 0


class _Lines:
    """Lines, at most `MAX_LINES`, and with at most `MAX_ROW_CHARS` characters since `row_chars` was set to 0."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.row_chars = 0
        self._left = MAX_LINES
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._left -= 1
        if self._left < 0:
            raise FileRefused(
                "too_many_rows", f"the file has more than {MAX_LINES:,} lines: split it", {"most_lines": MAX_LINES}
            )
        self.row_chars += len(line)
        if self.row_chars > MAX_ROW_CHARS:
            raise _too_long()
        return line


def _too_long() -> FileRefused:
    return FileRefused("not_csv", "a row has more than a million characters: is a quote not closed, or is it no CSV?")


def _text_lines(file: IO[bytes]) -> Iterator[str]:
    """Lines with their ends; a longer one than a row may be comes in pieces."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if head.startswith(_UTF16):
        return _utf16_lines(file)
    _require_text(head)
    return _byte_lines(file)


def _require_text(head: bytes) -> None:
    for magic, message in _OTHER_KINDS.items():
        if head.startswith(magic):
            if magic.startswith(b"PK") and b"xl/" in head:
                message = _OTHER_KINDS[b"\xd0\xcf\x11\xe0"]
            raise FileRefused("not_csv", f"the file {message}")
    if b"\0" in head.split(b"\n", 1)[0]:  # further down it is some row's fault
        raise FileRefused("not_csv", "the file is not text: upload a CSV in UTF-8")


def _byte_lines(file: IO[bytes]) -> Iterator[str]:
    file.seek(len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0)
    rest = b""
    while block := file.readline(MAX_ROW_CHARS + 1):
        lines = (rest + block).splitlines(keepends=True)  # more than one where lines end with CR alone
        rest = b"" if block.endswith(b"\n") else lines.pop()
        if len(rest) > MAX_ROW_CHARS:
            raise _too_long()
        yield from map(decode_line, lines)
    if rest:
        yield decode_line(rest)


def _utf16_lines(file: IO[bytes]) -> Iterator[str]:
    text = io.TextIOWrapper(file, "utf-16", newline="")
    try:
        while line := text.readline(MAX_ROW_CHARS + 1):
            yield line
    except UnicodeDecodeError as error:
        raise FileRefused("not_csv", "the file is not sound UTF-16: save it as UTF-8") from error
    finally:
        text.detach()
