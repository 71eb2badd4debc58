"""Columns of scored rows as arrays of numbers: texts by code, labels by what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netheal.contracts import attack_classes
from netheal.contracts.verdict import NO_CLASS, UNCLASSIFIED, Flags, is_attack_class
from netheal.rescoring.report.score_histogram import ATTACK, NORMAL, UNKNOWN

Codes = NDArray[np.int64]

VERDICTS = (*attack_classes().names, UNCLASSIFIED)
"""What a row can be called; BENIGN is a row that is no attack, of whatever model."""
LABEL_CHARS = 200

SHOWN = (
    "event_id",
    "file",
    "line",
    "label",
    "is_attack",
    "attack_class",
    "attack_confidence",
    "threat_score",
    "other_is_attack",
    "other_attack_class",
    "other_threat_score",
)
"""Columns of example rows that have a verdict; `other_…` may be absent."""
SHOWN_REJECTED = ("event_id", "file", "line", "reason", "field", "detail")
"""Columns of example rows that were rejected."""
VERDICT_COLUMNS = (
    *SHOWN,
    "run_id",
    "threat_threshold",
    "threat_is_attack",
    "threat_model_version",
    "threat_model_hash",
    "attack_model_version",
    "attack_model_hash",
    "policy_version",
)
"""All that a report reads of verdicts."""
REJECTED_COLUMNS = (*SHOWN_REJECTED, "run_id")
"""All that a report reads of rejected rows."""


@dataclass(frozen=True)
class Texts:
    """A column of strings: `values` and for each row its place among them [n], which is the last for null."""

    values: tuple[str | None, ...]
    codes: Codes

    def mapped[T: np.generic](self, values: Sequence[Any], kind: type[T]) -> NDArray[T]:
        """Row by row what stands at the place of its text."""
        return np.asarray(values, kind)[self.codes]


@dataclass(frozen=True)
class Labels:
    """What rows are [n]: `name` is a place in `names`, -1 without a label; `class_id` is NO_CLASS outside the 14."""

    names: tuple[str, ...]
    name: Codes
    class_id: NDArray[np.int16]
    truth: NDArray[np.int8]


def texts(table: pa.Table, name: str) -> Texts:
    """A column of strings, be they stored as a dictionary; an absent one is null."""
    if name not in table.column_names:
        return Texts((None,), np.zeros(table.num_rows, np.int64))
    column = table[name].unify_dictionaries().combine_chunks()
    found = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if not pa.types.is_dictionary(found.type):  # a column of nulls
        return Texts((None,), np.zeros(table.num_rows, np.int64))
    values = found.dictionary.to_pylist()
    return Texts((*values, None), found.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int64))


def flags(table: pa.Table, name: str) -> Flags:
    """A column of booleans; null is False."""
    return np.asarray(table[name].fill_null(False).to_numpy(), bool)


def doubles(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of doubles; null is NaN."""
    return np.asarray(table[name].to_numpy(), np.float64)


def labels(table: pa.Table) -> Labels:
    """What the column `label` says: a known label by its one spelling, any other as it came."""
    found, classes = texts(table, "label"), attack_classes()
    meant = [None if text is None else classes.canonical(text) for text in found.values]
    shown = [classes.known_label(text or "") or (text or "").strip()[:LABEL_CHARS] for text in found.values]
    names = tuple(sorted({name for name in shown if name}))
    place = {name: at for at, name in enumerate(names)}
    attack = [None if text is None else classes.is_attack_label(text) for text in found.values]
    return Labels(
        names,
        found.mapped([place.get(name, -1) for name in shown], np.int64),
        found.mapped([NO_CLASS if name is None else classes.id_of(name) for name in meant], np.int16),
        found.mapped([UNKNOWN if yes is None else ATTACK if yes else NORMAL for yes in attack], np.int8),
    )


def class_ids(table: pa.Table, name: str) -> NDArray[np.int16]:
    """Class names by id; NO_CLASS for null."""
    found = texts(table, name)
    ids = [NO_CLASS if text is None else attack_classes().id_of(text) for text in found.values]
    return found.mapped(ids, np.int16)


def verdict_codes(class_id: NDArray[np.int16], attack: Flags) -> Codes:
    """Places in `VERDICTS` of rows of these classes [n] that are attacks or not [n]."""
    named = np.where(is_attack_class(class_id), class_id, VERDICTS.index(UNCLASSIFIED))
    return np.where(attack, named, attack_classes().id_of(attack_classes().benign)).astype(np.int64)
