"""Messages to columns: by compiled code where a message is plain, one by one where it is not.

The scan accepts nothing that the strict parser would refuse, and reads the same values; what it leaves, the strict
parser reads, and says what is wrong. A duplicated key means its last value.
"""

import math
from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netheal.records.decoded import DecodedFlows, split_category
from netheal.records.envelope import MAX_ENVELOPE_CHARS, MAX_PORT, PORT, envelope_table, port_array
from netheal.records.json_scan.fields import BoolArray, Scanned, Strings, scan_messages
from netheal.records.json_scan.kinds import TEXT
from netheal.records.json_scan.names import known_names
from netheal.records.reasons import Rejection
from netheal.records.strict_parser import MAX_VALUE_BYTES, InvalidMessage, read_message
from netheal.records.vocabulary import Vocabulary


class MessageDecoder:
    """Decodes messages of one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        texts = *vocabulary.categories, *chain.from_iterable(vocabulary.envelope.values())
        self._names = known_names(vocabulary.numbers, texts)
        place = {name: field for field, name in enumerate((*vocabulary.numbers, *texts))}
        self._categories = {name: place[name] for name in vocabulary.categories}
        self._envelope = {
            field: [place[name] for name in spellings] for field, spellings in vocabulary.envelope.items()
        }

    def decode(self, values: pa.Array) -> DecodedFlows:
        """Decode a binary array of n messages; never raises for what a message holds."""
        scanned = scan_messages(self._names, values)
        identities = {field: scanned.first_of(fields) for field, fields in self._envelope.items() if fields}
        plain = scanned.plain & readable(values)
        for cells in identities.values():
            plain &= cells.end - cells.begin <= MAX_ENVELOPE_CHARS
        read = self._plain_flows(scanned, identities, plain)
        return read if plain.all() else _together(read, self._parse_strictly(values, np.flatnonzero(~plain).tolist()))

    def _plain_flows(self, scanned: Scanned, identities: dict[str, Strings], plain: BoolArray) -> DecodedFlows:
        rows = np.flatnonzero(plain)
        every = len(rows) == len(plain)
        categories: dict[str, list[str | None] | None] = {}
        for name, field in self._categories.items():
            cells = scanned.column(field) if every else scanned.column(field).take(rows)
            texts = np.equal(cells.kind, TEXT)
            categories[name] = cells.texts() if texts.any() else None
        width = len(self.vocabulary.features)
        matrix = scanned.numbers[:, :width] if every else scanned.numbers[rows, :width]
        arrays = {field: _identity(field, identities.get(field), rows, every) for field in self.vocabulary.envelope}
        return DecodedFlows(self.vocabulary, rows, matrix, categories, pa.table(arrays), [])

    def _parse_strictly(self, values: pa.Array, positions: Iterable[int]) -> DecodedFlows:
        """The messages at `positions` by the strict parser."""
        words = self.vocabulary
        kept: list[int] = []
        flows: list[dict[str, Any]] = []
        rejected: list[Rejection] = []
        for at in positions:
            try:
                flows.append(read_message(values[at].as_py(), words))
            except InvalidMessage as refused:
                rejected.append(Rejection(at, refused.reason, refused.field, refused.detail))
            else:
                kept.append(at)
        split = {name: split_category([flow.get(name, math.nan) for flow in flows]) for name in words.categories}
        numbers = [[flow.get(name, math.nan) for name in words.numbers] for flow in flows]
        block = np.array(numbers, np.float64).reshape(len(flows), len(words.numbers))
        matrix = np.column_stack([block, *(codes for codes, _ in split.values())])
        spellings = [name for names in words.envelope.values() for name in names]
        envelope = envelope_table({name: [flow.get(name) for flow in flows] for name in spellings}, words, len(flows))
        categories = {name: texts for name, (_, texts) in split.items()}
        return DecodedFlows(words, np.array(kept, np.int64), matrix, categories, envelope, rejected)


def _identity(field: str, cells: Strings | None, rows: Any, every: bool) -> pa.Array:
    kind = pa.int32() if field == PORT else pa.string()
    if cells is None or not cells.there:
        return pa.nulls(len(rows), kind)
    cells = cells if every else cells.take(rows)
    return _ports(cells) if field == PORT else cells.array()


def _ports(cells: Strings) -> pa.Array:
    """Ports as int32, null where there is none."""
    if (cells.kind == TEXT).any():
        return port_array(cells.cells())
    with np.errstate(invalid="ignore"):
        inside = (cells.number >= 0) & (cells.number <= MAX_PORT) & (np.floor(cells.number) == cells.number)
    return pa.array(np.where(inside, cells.number, 0).astype(np.int32), mask=~inside)


def _together(one: DecodedFlows, other: DecodedFlows) -> DecodedFlows:
    """Both, in the order of the batch."""
    position = np.concatenate([one.position, other.position])
    order = np.argsort(position)
    categories: dict[str, list[str | None] | None] = {}
    for name in one.categories:
        parts = [(flows.categories[name], len(flows.position)) for flows in (one, other)]
        both = [text for texts, rows in parts for text in texts or [None] * rows]
        categories[name] = [both[at] for at in order] if any(texts for texts, _ in parts) else None
    return DecodedFlows(
        one.vocabulary,
        position[order],
        np.concatenate([one.matrix, other.matrix])[order],
        categories,
        pa.concat_tables([one.envelope, other.envelope]).take(pa.array(order)),
        sorted([*one.rejected, *other.rejected], key=attrgetter("position")),
    )


def readable(values: pa.Array) -> BoolArray:
    """Which of the messages are UTF-8 and short enough, [n]; found by halves, as nearly always all are."""
    if len(values) and (pc.max(pc.binary_length(values)).as_py() or 0) <= MAX_VALUE_BYTES:
        try:
            values.cast(pa.string())
            return np.ones(len(values), bool)
        except pa.ArrowInvalid:
            pass
    if len(values) <= 1:
        return np.zeros(len(values), bool)
    middle = len(values) // 2
    return np.concatenate([readable(values.slice(0, middle)), readable(values.slice(middle))])
