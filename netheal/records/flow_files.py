"""Flow files as they exist in the wild, read in chunks under the names of the wire.

CSV (plain or gzip), Parquet, and NSL-KDD's text without a header.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from netheal.contracts import Contract, Feature, known_features, wire_contracts
from netheal.errors import ContractError, SettingsError
from netheal.records.headers import header_fault, lacking_features, wire_headers
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

_BLOCK_BYTES = 1 << 20
_BREAKS = (EOFError, gzip.BadGzipFile, zlib.error, csv.Error)
"""What reading text raises where a file breaks off, or is none."""


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
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            chunks = _parquet(file, chunk_rows) if magic == b"PAR1" else _csv(columns, file, magic)
            for chunk in chunks:
                yield from columns.renamed(chunk)
    except (pa.ArrowInvalid, *_BREAKS) as error:
        raise ContractError(f"{path.name} is damaged or no flow file: {error}") from error
    except OSError as error:
        raise SettingsError(f"cannot read {path.name}: {error.strerror or error}") from error


class _Columns:
    """What the columns of a file are: features, by whatever spelling, and others."""

    def __init__(self, path: Path, contracts: Sequence[Contract]) -> None:
        self._path = path
        self._contracts = contracts
        of_contracts = {feature.name: feature for contract in contracts for feature in contract.features}
        self._features = {**known_features(), **of_contracts}.values()

    def wire_names(self, headers: Sequence[str]) -> list[str]:
        """The names on the wire; raises ContractError for what is no header."""
        fault = header_fault(headers)
        if fault is not None:
            raise ContractError(f"{self._path.name} is damaged or no flow file: {fault}")
        return wire_headers(headers, self._features)

    def renamed(self, chunk: pa.Table) -> Iterator[pa.Table]:
        """The rows under wire names, numbers as numbers; raises ContractError where they fit no contract."""
        if chunk.column_names == [MALFORMED]:
            yield chunk
            return
        names = self.wire_names(chunk.column_names)
        _require_contract(self._path, names, self._contracts)
        yield from as_numbers(chunk.rename_columns(names), self._features)


def _require_contract(path: Path, names: Sequence[str], contracts: Sequence[Contract]) -> None:
    lacking = lacking_features(names, contracts)
    if all(lacking.values()):
        nearest = min(lacking, key=lambda contract_id: len(lacking[contract_id]))
        raise ContractError(
            f"{path.name} has the columns of none of {', '.join(lacking)}. Nearest is {nearest}, for which "
            f"these are missing: {', '.join(map(quoted, lacking[nearest]))}. A header may differ in case, "
            "spaces and punctuation, or be a spelling that the contract file lists"
        )


def _parquet(file: IO[bytes], chunk_rows: int) -> Iterator[pa.Table]:
    source = pyarrow.parquet.ParquetFile(file)
    empty = True
    for batch in source.iter_batches(chunk_rows):
        empty = False
        yield pa.Table.from_batches([batch])
    if empty:
        yield source.schema_arrow.empty_table()


def _csv(columns: _Columns, file: IO[bytes], magic: bytes) -> Iterator[pa.Table]:
    plain = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if magic[:2] == b"\x1f\x8b" else file
    source = _Utf8(plain)
    text = io.BufferedReader(source, _BLOCK_BYTES)
    headers = next(csv.reader([text.peek().split(b"\n", 1)[0].decode()]), [])
    if not headers:
        source.require_whole()
    if is_nsl_kdd(headers):
        headers = NSL_KDD_COLUMNS[: len(headers)]
    else:
        text.readline()
    names = columns.wire_names(headers)
    no_rows = pa.table({name: pa.array([], pa.string()) for name in names})
    yield from _csv_rows(cast(IO[bytes], text), names) if text.peek() else [no_rows]
    source.require_whole()


def _csv_rows(text: IO[bytes], names: list[str]) -> Iterator[pa.Table]:
    malformed: list[str] = []

    def keep(row: pyarrow.csv.InvalidRow) -> str:
        malformed.append(row.text)
        return "skip"

    reader = pyarrow.csv.open_csv(
        text,
        pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=_BLOCK_BYTES),
        pyarrow.csv.ParseOptions(invalid_row_handler=keep),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    for batch in reader:
        yield pa.Table.from_batches([batch])
        if malformed:
            yield pa.table({MALFORMED: malformed})
            malformed.clear()


def is_nsl_kdd(cells: Sequence[str]) -> bool:
    """Whether a first line is a row of NSL-KDD: the second cell is a protocol, the fifth a number."""
    return len(cells) in (42, 43) and cells[1] in ("tcp", "udp", "icmp") and cells[4].isdecimal()


class _Utf8(io.RawIOBase):
    """Text as UTF-8 without a byte order mark; a line that is none is taken as cp1252, or else latin-1.

    It ends where the source breaks off, behind the last whole line before: a reader that reads ahead would otherwise
    lose rows that it has read to an error that comes after them. `require_whole` then raises it.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._break: Exception | None = None
        self._left = b""
        self._begun = False

    def readable(self) -> bool:
        return True

    def require_whole(self) -> None:
        """Raise what the source broke off with, if it did."""
        if self._break is not None:
            raise self._break

    def readinto(self, buffer: Any) -> int:
        if not self._left and self._break is None:
            try:
                self._left = self._next_lines()
            except _BREAKS as error:
                self._break = error
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def _next_lines(self) -> bytes:
        rest = self._source.readline(_BLOCK_BYTES) if (block := self._source.read(_BLOCK_BYTES)) else b""
        if len(rest) == _BLOCK_BYTES and not rest.endswith(b"\n"):
            raise csv.Error(f"a line has more than {_BLOCK_BYTES} bytes")
        lines = block + rest
        if not self._begun:
            self._begun, lines = True, lines.removeprefix(codecs.BOM_UTF8)
        return _as_utf8(lines)


def _as_utf8(text: bytes) -> bytes:
    try:
        return text.decode().encode()
    except UnicodeDecodeError:
        return b"".join(decode_line(line).encode() for line in text.splitlines(keepends=True))


def decode_line(line: bytes) -> str:
    """One line as text: UTF-8, or where it is none, cp1252, or else latin-1."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")


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
