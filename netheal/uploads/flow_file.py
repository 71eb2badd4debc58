"""A flow file as decoded rows: the same as of the messages that `netheal traffic send` would make of it.

Columns that mean nothing are left out. However a file is written, scoring it takes less than 400 MB: the header is
bounded before it is read, and the rows of a chunk by what their own cells hold.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts import Contract
from netheal.records.decode_table import decode_table
from netheal.records.decoded import DecodedFlows
from netheal.records.encode import encode_rows, encode_rows_at
from netheal.records.flow_files import MALFORMED, NSL_KDD_COLUMNS, is_nsl_kdd
from netheal.records.flow_meters import FlowMeter, meter_of
from netheal.records.headers import header_fault, known_places, lacking_features, wire_headers
from netheal.records.reasons import Rejection, RejectionReason
from netheal.records.text_cells import Words, numbers_and_words
from netheal.records.vocabulary import Vocabulary, vocabulary
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
    """Rows in the order of the file, and the line that each begins in; rows of too few or too many cells are rejected.

    `_table` and `_words` have the rows at the places `_whole`, `_malformed` has the cells of the others by place.
    """

    decoded: DecodedFlows
    lines: list[int]
    _table: pa.Table
    _words: Words
    _whole: npt.NDArray[np.int64]
    _malformed: dict[int, list[str]]

    def messages(self, places: Sequence[int]) -> list[bytes]:
        """The rows at these places as messages: what is kept of rejected ones."""
        malformed = [_text(self._malformed[place]) for place in places if place in self._malformed]
        texts = iter(encode_rows(pa.table({MALFORMED: malformed})))
        whole = np.searchsorted(self._whole, [place for place in places if place not in self._malformed])
        rows = iter(encode_rows_at(self._table, self._words, whole.tolist()))
        return [next(texts if place in self._malformed else rows) for place in places]


@dataclass(frozen=True)
class FlowFile:
    """A file whose header is known. `contracts` are those of which it has every column."""

    names: list[str]
    contracts: tuple[Contract, ...]
    _vocabulary: Vocabulary
    _rows: Iterator[Row]
    _bounded: bool
    _meter: FlowMeter | None

    def chunks(self) -> Iterator[FlowChunk]:
        """All rows, once; raises FileRefused where there are none, or more than `MAX_ROWS` in a bounded file."""
        total = 0
        for rows in _pieces(self._rows):
            total += len(rows)
            if self._bounded and total > MAX_ROWS:
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
        whole = np.array([at for at, row in enumerate(rows) if len(row.cells) == width], np.int64)
        malformed = {at: row.cells for at, row in enumerate(rows) if len(row.cells) != width}
        rejected = [
            Rejection(at, RejectionReason.MALFORMED_ROW, detail=f"{len(cells)} cells, where the header has {width}")
            for at, cells in malformed.items()
        ]
        table, words = self._typed([rows[at].cells for at in whole])
        decoded = _placed(decode_table(self._vocabulary, table, words), whole, rejected)
        return FlowChunk(decoded, [row.line for row in rows], table, words, whole, malformed)

    def _typed(self, rows: list[list[str]]) -> tuple[pa.Table, Words]:
        """Only columns that mean something: the others would swell every rejected row."""
        places = known_places(self.names, self._vocabulary.contracts)
        columns = [pa.array([cells[place] or None for cells in rows], pa.string()) for place in places]
        table = pa.table(dict(zip([self.names[place] for place in places], columns, strict=True)))
        if self._meter is not None:
            table = self._meter.in_wire_units(table)
        return numbers_and_words(table, self._vocabulary.features)


def open_flows(file: IO[bytes], contracts: Sequence[Contract], bounded: bool = True) -> FlowFile:
    """Read the header; raises FileRefused for what is no CSV with the columns of one of `contracts`.

    Where it is not `bounded` it may have more than `MAX_BYTES` and `MAX_ROWS`.
    """
    size = file.seek(0, io.SEEK_END)
    if bounded and size > MAX_BYTES:
        raise FileRefused(
            "too_large",
            f"the file has {size / 2**20:.0f} MiB, more than {MAX_BYTES / 2**20:.0f}: split it into files that each"
            " have the header",
            {"most_bytes": MAX_BYTES},
        )
    known = vocabulary(contracts)
    rows = csv_rows(file, lambda cells: _known_headers(cells, known))
    header = next(rows)
    headers = header.cells
    if (fault := header_fault(headers)) is not None:
        raise FileRefused("not_csv", fault)
    if is_nsl_kdd(headers):
        headers, rows = NSL_KDD_COLUMNS[: len(headers)], chain([header], rows)
    names = wire_headers(headers, known.features)
    return FlowFile(names, _complete(names, contracts), known, rows, bounded, meter_of(headers))


def _known_headers(cells: Sequence[str], known: Vocabulary) -> int:
    return 0 if header_fault(cells) else len(known.place.keys() & set(wire_headers(cells, known.features)))


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


def _placed(decoded: DecodedFlows, places: npt.NDArray[np.int64], others: list[Rejection]) -> DecodedFlows:
    """Rows at `places` of a chunk, beside the rejected rows at other places of it."""
    rejected = [replace(rejection, position=int(places[rejection.position])) for rejection in decoded.rejected]
    in_order = sorted([*rejected, *others], key=attrgetter("position"))
    return replace(decoded, position=places[decoded.position], rejected=in_order)


def _text(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
