"""Flow files as they exist in the wild, read in chunks under the names of the wire.

CSV (plain, gzip or zstd), Parquet, and NSL-KDD's text without a header.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from netheal.contracts import Contract, Feature, known_features, wire_contracts
from netheal.errors import ContractError, SettingsError
from netheal.records.flow_meters import FlowMeter, meter_of
from netheal.records.flow_text import BREAKS, TextBlock, TextBlocks, has_line_end_in_quotes, is_packed, unpacked
from netheal.records.headers import header_fault, header_line_fault, lacking_features, wire_headers
from netheal.records.text_cells import numbers_and_words
from netheal.wording import quoted

MALFORMED = "malformed_row"
"""The one column of a CSV row whose number of cells is not the header's: its text as it stands."""

NSL_KDD_COLUMNS = """duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot
num_failed_logins logged_in num_compromised root_shell su_attempted num_root num_file_creations num_shells
num_access_files num_outbound_cmds is_host_login is_guest_login count srv_count serror_rate srv_serror_rate
rerror_rate srv_rerror_rate same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count
dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate
dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate class
difficulty""".split()
"""The order of columns in KDDTrain+.txt and KDDTest+.txt (Tavallaee et al. 2009), which have no header."""
DELIMITERS = ",;\t"

_PARQUET = b"PAR1"
_SPAN_ROWS = 100_000


@dataclass(frozen=True)
class Span:
    """A piece of a flow file that can be read by itself; its first row is in line `first_line`.

    `begin` and `end` are bytes of a CSV, and row groups of a Parquet file, whose rows are numbered in place of lines.
    `end` is None for the whole of a file, from its first row on.
    """

    begin: int = 0
    end: int | None = None
    first_line: int = 1


WHOLE = Span()


@dataclass(frozen=True)
class FlowRows:
    """n rows under wire names, cells as they were read, or a table of `MALFORMED`; `lines` int64 [n] of the file."""

    table: pa.Table
    lines: npt.NDArray[np.int64]

    @property
    def malformed(self) -> bool:
        """Whether these are rows whose number of cells is not the header's."""
        return bool(self.table.column_names == [MALFORMED])


def read_flow_file(
    path: Path, contracts: Sequence[Contract] | None = None, chunk_rows: int = 20_000
) -> Iterator[pa.Table]:
    """Tables of the rows of `path`, in the file's order, at most `chunk_rows` rows each (CSV: 1 MiB of text).

    Feature columns are int64 or double, infinities and NaN included; where a cell of one is not a number,
    its row comes in a table in which that column is a string. An empty cell is null. Raises SettingsError
    for a file that cannot be read, ContractError for one that has not all features of one of `contracts`
    (the shipped ones unless given) or that breaks off; rows before the break have been given by then.
    Features are those that are known, and those of `contracts`.
    """
    columns = _Columns(path, tuple(wire_contracts() if contracts is None else contracts))
    for rows in _rows_of(columns, WHOLE, chunk_rows):
        if rows.malformed:
            yield rows.table
        else:
            yield from as_numbers(rows.table, columns.features)


def flow_rows(
    path: Path, contracts: Sequence[Contract], span: Span = WHOLE, chunk_rows: int = 20_000
) -> Iterator[FlowRows]:
    """The same rows with their lines, cells of a CSV as strings; raises likewise."""
    yield from _rows_of(_Columns(path, tuple(contracts)), span, chunk_rows)


def flow_spans(path: Path, contracts: Sequence[Contract], span_bytes: int) -> list[Span]:
    """Pieces of about `span_bytes` that together are the file; a packed file is one. Raises as `read_flow_file`.

    A CSV is read once for that, as lines are counted; one that has line ends within quotes is one piece.
    """
    columns = _Columns(path, tuple(contracts))
    with _opened(columns) as (file, magic):
        if magic == _PARQUET:
            source = pyarrow.parquet.ParquetFile(file)
            columns.require_contract(columns.wire_names(source.schema_arrow.names))
            return _row_group_spans(source.metadata)
        header = _read_header(columns, file, magic)
        columns.require_contract(header.names)
        if is_packed(magic) or _size(file) <= span_bytes:
            return [WHOLE]
        return _line_spans(file, header, span_bytes)


def label_column(names: Sequence[str]) -> str | None:
    """The column of a flow file that says what a row truly is, if it has one."""
    return next((name for name in names if name.strip().lower() in ("label", "class")), None)


class _Columns:
    """What the columns of a file are: features, by whatever spelling, and others."""

    def __init__(self, path: Path, contracts: Sequence[Contract]) -> None:
        self.path = path
        self._contracts = contracts
        of_contracts = {feature.name: feature for contract in contracts for feature in contract.features}
        self.features = {**known_features(), **of_contracts}.values()
        self._names = {feature.name for feature in self.features}
        self._meter: FlowMeter | None = None

    def wire_names(self, headers: Sequence[str]) -> list[str]:
        """The names on the wire, to be asked for before rows; raises ContractError for what is no header."""
        self.require_short(header_fault(headers))
        self._meter = meter_of(headers)
        return wire_headers(headers, self.features)

    def require_short(self, fault: str | None) -> None:
        """Raise ContractError for a fault of the header."""
        if fault is not None:
            raise ContractError(f"{self.path.name} is damaged or no flow file: {fault}")

    def in_wire_units(self, rows: FlowRows) -> FlowRows:
        """The rows in the units of the contracts."""
        if self._meter is None or rows.malformed:
            return rows
        return replace(rows, table=self._meter.in_wire_units(rows.table))

    def known(self, headers: Sequence[str]) -> int:
        """How many of these headers are those of features."""
        return 0 if header_fault(headers) else len(self._names & set(wire_headers(headers, self.features)))

    def require_contract(self, names: Sequence[str]) -> None:
        """Raise ContractError where the names are those of no contract."""
        lacking = lacking_features(names, self._contracts)
        if all(lacking.values()):
            nearest = min(lacking, key=lambda contract_id: len(lacking[contract_id]))
            raise ContractError(
                f"{self.path.name} has the columns of none of {', '.join(lacking)}. Nearest is {nearest}, for which "
                f"these are missing: {', '.join(map(quoted, lacking[nearest]))}. A header may differ in case, "
                "spaces and punctuation, or be a spelling that the contract file lists"
            )


@contextmanager
def _opened(columns: _Columns) -> Iterator[tuple[IO[bytes], bytes]]:
    """The file and its first bytes; what reading raises inside becomes an error of ours."""
    try:
        with columns.path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            yield file, magic
    except (pa.ArrowInvalid, *BREAKS) as error:
        raise ContractError(f"{columns.path.name} is damaged or no flow file: {error}") from error
    except OSError as error:
        raise SettingsError(f"cannot read {columns.path.name}: {error.strerror or error}") from error


def _rows_of(columns: _Columns, span: Span, chunk_rows: int) -> Iterator[FlowRows]:
    with _opened(columns) as (file, magic):
        read = _parquet(columns, file, span, chunk_rows) if magic == _PARQUET else _csv(columns, file, magic, span)
        for rows in read:
            yield columns.in_wire_units(rows)


def _parquet(columns: _Columns, file: IO[bytes], span: Span, chunk_rows: int) -> Iterator[FlowRows]:
    source = pyarrow.parquet.ParquetFile(file)
    names = columns.wire_names(source.schema_arrow.names)
    columns.require_contract(names)
    groups = range(span.begin, source.metadata.num_row_groups if span.end is None else span.end)
    row = span.first_line
    for batch in source.iter_batches(chunk_rows, row_groups=list(groups)):
        yield FlowRows(pa.Table.from_batches([batch]).rename_columns(names), np.arange(row, row + batch.num_rows))
        row += batch.num_rows
    if row == 1:
        yield FlowRows(source.schema_arrow.empty_table().rename_columns(names), np.arange(0))


@dataclass(frozen=True)
class _Header:
    """The wire names, the sign between cells, and the bytes and lines of the header: none where there is none."""

    names: list[str]
    delimiter: str
    size: int
    lines: int


def _read_header(columns: _Columns, file: IO[bytes], magic: bytes) -> _Header:
    """Of a file from its beginning, to which it goes back."""
    blocks = TextBlocks(unpacked(file, magic))
    first = next(iter(blocks), TextBlock(b"", 1)).text.split(b"\n", 1)[0].decode()
    file.seek(0)
    blocks.require_whole()
    columns.require_short(header_line_fault(len(first)))
    delimiter = max(DELIMITERS, key=lambda sign: columns.known(next(csv.reader([first], delimiter=sign), [])))
    headers = next(csv.reader([first], delimiter=delimiter), [])
    if is_nsl_kdd(headers):
        return _Header(columns.wire_names(NSL_KDD_COLUMNS[: len(headers)]), delimiter, 0, 0)
    size = 0 if is_packed(magic) else len(file.readline())
    file.seek(0)
    return _Header(columns.wire_names(headers), delimiter, size, 1)


def _csv(columns: _Columns, file: IO[bytes], magic: bytes, span: Span) -> Iterator[FlowRows]:
    header = _read_header(columns, file, magic)
    columns.require_contract(header.names)
    if span.end is None:
        blocks = TextBlocks(unpacked(file, magic))
    else:
        file.seek(span.begin)
        blocks = TextBlocks(file, span.first_line, span.end - span.begin)
    empty = True
    for block in blocks:
        if block.first_line == 1 and header.lines:
            block = TextBlock(block.text.partition(b"\n")[2], 2)
        for rows in _block_rows(block, header):
            empty = False
            yield rows
    if empty:
        yield FlowRows(pa.table({name: pa.array([], pa.string()) for name in header.names}), np.arange(0))
    blocks.require_whole()


def _block_rows(block: TextBlock, header: _Header) -> Iterator[FlowRows]:
    if not block.text.strip(b"\r\n"):
        return
    malformed: dict[int, str] = {}

    def keep(row: pyarrow.csv.InvalidRow) -> str:
        malformed[row.number - 1] = row.text
        return "skip"

    table = pyarrow.csv.read_csv(
        pa.BufferReader(block.text),
        pyarrow.csv.ReadOptions(column_names=header.names, use_threads=False, block_size=len(block.text)),
        pyarrow.csv.ParseOptions(delimiter=header.delimiter, invalid_row_handler=keep),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(header.names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    lines = block.row_lines(table.num_rows + len(malformed))
    places = list(malformed)
    if table.num_rows:
        yield FlowRows(table, np.delete(lines, places))
    if malformed:
        yield FlowRows(pa.table({MALFORMED: list(malformed.values())}), lines[places])


def is_nsl_kdd(cells: Sequence[str]) -> bool:
    """Whether a first line is a row of NSL-KDD: the second cell is a protocol, the fifth a number."""
    return len(cells) in (42, 43) and cells[1] in ("tcp", "udp", "icmp") and cells[4].isdecimal()


def _size(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _line_spans(file: IO[bytes], header: _Header, span_bytes: int) -> list[Span]:
    spans: list[Span] = []
    begin, line = header.size, 1 + header.lines
    file.seek(begin)
    while block := file.read(span_bytes):
        block += file.readline()
        if has_line_end_in_quotes(block):
            return [WHOLE]
        spans.append(Span(begin, begin + len(block), line))
        begin, line = begin + len(block), line + block.count(b"\n")
    return spans


def _row_group_spans(metadata: "pyarrow.parquet.FileMetaData") -> list[Span]:
    """Row groups together until they have some 100,000 rows."""
    spans: list[Span] = []
    begin, first, row = 0, 1, 1
    for group in range(metadata.num_row_groups):
        row += metadata.row_group(group).num_rows
        if row - first >= _SPAN_ROWS or group + 1 == metadata.num_row_groups:
            spans.append(Span(begin, group + 1, first))
            begin, first = group + 1, row
    return spans or [WHOLE]


def as_numbers(table: pa.Table, features: Collection[Feature]) -> Iterator[pa.Table]:
    """`table`, under wire names, with what is a number in a message as numbers.

    Cut wherever a column goes from numbers to words or back.
    """
    typed, words = numbers_and_words(table, features)
    names = sorted({name for cells in words.values() for name in cells})
    is_word = np.zeros((len(names), table.num_rows), bool)
    for row, cells in words.items():
        is_word[[names.index(name) for name in cells], row] = True
    cuts = np.flatnonzero((is_word[:, 1:] != is_word[:, :-1]).any(axis=0)) + 1
    for begin, end in pairwise([0, *cuts.tolist(), table.num_rows]):
        part = typed.slice(begin, end - begin)
        for name in (name for at, name in enumerate(names) if begin < end and is_word[at, begin]):
            part = part.set_column(
                part.column_names.index(name), name, pa.array([words[row][name] for row in range(begin, end)])
            )
        yield part
