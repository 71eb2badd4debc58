"""A flow file as messages of the input topic: row by row the ones that `netheal traffic send` would send.

But for columns that mean nothing, which are left out. However a file is written, scoring it takes less than 400 MB:
the header is bounded before it is read, and a row's message by what its own cells hold and the names of contracts.
"""

import csv
import io
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import IO

import pyarrow as pa

from netheal.contracts import Contract
from netheal.records.encode import encode_rows
from netheal.records.flow_files import MALFORMED, NSL_KDD_COLUMNS, is_nsl_kdd, numbers_and_words
from netheal.records.headers import header_fault, known_places, lacking_features, wire_headers
from netheal.uploads.csv_rows import Row, csv_rows
from netheal.uploads.refusal import FileRefused
from netheal.wording import quoted

MAX_BYTES = 100 * 2**20
MAX_ROWS = 100_000
_CHUNK_ROWS = 5_000
_CHUNK_CHARS = 2 * 2**20
"""A cell of two characters takes 60 bytes as a Python string: a chunk of long rows has fewer of them."""


@dataclass(frozen=True)
class FlowChunk:
    """Messages in the order of the file, the line that each begins in, and what is wrong with malformed ones."""

    messages: list[bytes]
    lines: list[int]
    malformed: dict[int, str]
    """Place in `messages` -> what is wrong."""


@dataclass(frozen=True)
class FlowFile:
    """A file whose header is known. `contracts` are those of which it has every column."""

    names: list[str]
    contracts: tuple[Contract, ...]
    _known: tuple[Contract, ...]
    _rows: Iterator[Row]

    def chunks(self) -> Iterator[FlowChunk]:
        """All rows, once; raises FileRefused where there are none or more than `MAX_ROWS`."""
        total = 0
        for rows in _pieces(self._rows):
            total += len(rows)
            if total > MAX_ROWS:
                raise FileRefused(
                    "too_many_rows",
                    f"the file has more than {MAX_ROWS:,} rows: split it into files of {MAX_ROWS:,} rows, each with"
                    " the header, or send it to the stream with 'netheal traffic send'",
                    {"most": MAX_ROWS},
                )
            yield self._chunk(rows)
        if not total:
            raise FileRefused("empty_file", "the file has a header and no rows")

    def _chunk(self, rows: list[Row]) -> FlowChunk:
        width = len(self.names)
        malformed = {
            at: f"{len(row.cells)} cells, where the header has {width}"
            for at, row in enumerate(rows)
            if len(row.cells) != width
        }
        messages = iter(self._encode([row.cells for row in rows if len(row.cells) == width]))
        texts = iter(encode_rows(pa.table({MALFORMED: [_text(rows[at].cells) for at in malformed]})))
        ordered = [next(texts if at in malformed else messages) for at in range(len(rows))]
        return FlowChunk(ordered, [row.line for row in rows], malformed)

    def _encode(self, rows: list[list[str]]) -> list[bytes]:
        """Only columns that mean something: the others would swell every row by names that nobody reads."""
        places = known_places(self.names, self._known)
        columns = [pa.array([cells[place] or None for cells in rows], pa.string()) for place in places]
        table = pa.table(dict(zip([self.names[place] for place in places], columns, strict=True)))
        return encode_rows(*numbers_and_words(table, self._known))


def open_flows(file: IO[bytes], contracts: Sequence[Contract]) -> FlowFile:
    """Read the header; raises FileRefused for what is no CSV with the columns of one of `contracts`."""
    size = file.seek(0, io.SEEK_END)
    if size > MAX_BYTES:
        raise FileRefused(
            "too_large",
            f"the file has {size / 2**20:.0f} MiB, more than {MAX_BYTES / 2**20:.0f}: split it into files that each"
            " have the header",
            {"most_bytes": MAX_BYTES},
        )
    features = {name for contract in contracts for name in contract.names}
    rows = csv_rows(file, lambda cells: _known_headers(cells, features, contracts))
    header = next(rows)
    headers = header.cells
    if (fault := header_fault(headers)) is not None:
        raise FileRefused("not_csv", fault)
    if is_nsl_kdd(headers):
        headers, rows = NSL_KDD_COLUMNS[: len(headers)], chain([header], rows)
    names = wire_headers(headers, contracts)
    return FlowFile(names, _complete(names, contracts), tuple(contracts), rows)


def _known_headers(cells: Sequence[str], features: Set[str], contracts: Sequence[Contract]) -> int:
    return 0 if header_fault(cells) else len(features & set(wire_headers(cells, contracts)))


def _complete(names: Sequence[str], contracts: Sequence[Contract]) -> tuple[Contract, ...]:
    lacking = lacking_features(names, contracts)
    complete = tuple(contract for contract in contracts if not lacking[contract.id])
    if not complete:
        nearest = min(contracts, key=lambda contract: len(lacking[contract.id]) / len(contract.names))
        missing = lacking[nearest.id]
        raise FileRefused(
            "no_contract",
            f"the header has the columns of none of {', '.join(lacking)}; nearest is {nearest.id}, for which"
            f" {len(missing)} of {len(nearest.names)} are missing: {', '.join(map(quoted, missing))}. Case, spaces and"
            " punctuation of a header do not matter",
            {"nearest": nearest.id, "missing": missing},
        )
    return complete


def _pieces(rows: Iterator[Row]) -> Iterator[list[Row]]:
    piece: list[Row] = []
    chars = 0
    for row in rows:
        piece.append(row)
        chars += row.chars
        if len(piece) >= _CHUNK_ROWS or chars >= _CHUNK_CHARS:
            yield piece
            piece, chars = [], 0
    if piece:
        yield piece


def _text(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
