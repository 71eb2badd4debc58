"""The narrow rows that Postgres serves: made of verdicts and rejected rows, and copied in bulk."""

import io
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from psycopg2 import sql

from netheal.store.database import Cursor

HEAD_BYTES = 256
"""Of a rejected row's value, what Postgres serves."""
_TEXT_CHARS = 200
_VERDICT_COLUMNS = (
    "event_id",
    "recorded_at",
    "batch_id",
    "is_attack",
    "threat_score",
    "threat_novelty",
    "threat_is_novel",
    "attack_class_id",
    "attack_confidence",
    "attack_novelty",
    "attack_is_novel",
    "action_type",
    "action_status",
    "sensor_id",
    "src_ip",
    "dst_ip",
    "action_description",
    "action_params",
)
_MODELS = {"threat_model_id": "threat_model_hash", "attack_model_id": "attack_model_hash"}
_REJECTED_COLUMNS = (
    "event_id",
    "recorded_at",
    "batch_id",
    "topic",
    "partition",
    "offset",
    "reason",
    "field",
    "detail",
)
_CLIENT_TEXT = frozenset({"sensor_id", "src_ip", "dst_ip", "field", "detail", "action_description"})


ServingRows = dict[str, pa.Table]
"""Table -> its rows."""


def serving_rows(verdicts: pa.Table, rejected: pa.Table, model_ids: Mapping[str, int]) -> ServingRows:
    """The rows of tables in `verdict_schema()` and `rejected_schema()`. `model_ids`: bundle hash -> registry id."""
    rows = _narrow(verdicts, _VERDICT_COLUMNS)
    for column, hashes in _MODELS.items():
        rows = rows.append_column(column, _ids(verdicts[hashes], model_ids))
    head = pc.binary_slice(rejected["value"], 0, HEAD_BYTES)
    return {"verdicts": rows, "rejected": _narrow(rejected, _REJECTED_COLUMNS).append_column("head", head)}


def joined_rows(parts: Iterable[ServingRows]) -> ServingRows:
    """One table of each kind, of those that have a row."""
    tables: dict[str, list[pa.Table]] = {}
    for part in parts:
        for name, table in part.items():
            if table.num_rows:
                tables.setdefault(name, []).append(table)
    return {name: pa.concat_tables(found) for name, found in tables.items()}


def copy_rows(cursor: Cursor, rows: ServingRows) -> None:
    """Copy rows that are not there yet, in the caller's transaction."""
    for name, table in rows.items():
        if "head" in table.column_names:
            heads = [None if head is None else f"\\x{head.hex()}" for head in table["head"].to_pylist()]
            table = table.set_column(table.column_names.index("head"), "head", pa.array(heads, pa.string()))
        text = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
        pyarrow.csv.write_csv(table, text, options)
        text.seek(0)
        columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
        statement = sql.SQL("copy {} ({}) from stdin with (format csv)").format(sql.Identifier(name), columns)
        cursor.copy_expert(statement, text)


def _narrow(table: pa.Table, columns: tuple[str, ...]) -> pa.Table:
    arrays = {name: table[name] for name in columns}
    for name, array in arrays.items():
        if pa.types.is_dictionary(array.type):
            arrays[name] = array.cast(array.type.value_type)
        if name in _CLIENT_TEXT and pc.any(pc.greater(pc.binary_length(arrays[name]), _TEXT_CHARS)).as_py():
            arrays[name] = pc.utf8_slice_codeunits(arrays[name], 0, _TEXT_CHARS)
        if name in _CLIENT_TEXT and pc.any(pc.match_substring(arrays[name], "\0")).as_py():
            arrays[name] = pc.replace_substring(arrays[name], "\0", "\ufffd")
    return pa.table(arrays)


def _ids(hashes: pa.ChunkedArray, model_ids: Mapping[str, int]) -> pa.Array:
    """Registry ids of models, for their hashes; null where there is none: then the column has no dictionary."""
    if not pa.types.is_dictionary(hashes.type):
        return pa.nulls(len(hashes), pa.int32())
    encoded = hashes.unify_dictionaries().combine_chunks()
    ids = [model_ids.get(key) for key in encoded.dictionary.to_pylist()]
    return pa.array(ids, pa.int32()).take(encoded.indices)
