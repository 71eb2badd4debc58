"""Rows as `contracts.schema.verdict_schema` stores them, under the names that they had on the wire."""

import pyarrow as pa
import pyarrow.compute as pc

from netheal.contracts import Feature
from netheal.contracts.schema import category_column
from netheal.records.text_cells import Words
from netheal.records.vocabulary import Vocabulary


def wire_columns(stored: pa.Table, vocabulary: Vocabulary) -> tuple[pa.Table, Words]:
    """Features and envelope of n stored rows as `decode_table` takes them; columns that are not stored are left out.

    A category that came as a string is that string again: which code it has is the model's to say.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    words: dict[int, dict[str, str]] = {}
    for feature in vocabulary.features:
        if category_column(feature.column) in stored.column_names:
            columns[feature.name] = _category(stored, feature, words)
        elif feature.column in stored.column_names:
            columns[feature.name] = stored[feature.column]
    for field, spellings in vocabulary.envelope.items():
        if field in stored.column_names and spellings:
            columns[spellings[0]] = stored[field]
    return pa.table(columns), words


def _category(stored: pa.Table, feature: Feature, words: dict[int, dict[str, str]]) -> pa.ChunkedArray:
    """Strings where no row has a code alone; else codes, and the strings in `words`."""
    texts, codes = stored[category_column(feature.column)], stored[feature.column]
    came_as_text = pc.is_valid(texts)
    codes = pc.if_else(came_as_text, None, codes)
    if codes.null_count == len(codes):
        return texts
    for row in pc.indices_nonzero(came_as_text).to_pylist():
        words.setdefault(row, {})[feature.name] = texts[row].as_py()
    return codes
