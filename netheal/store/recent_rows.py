"""The newest rows of Delta `verdicts`, for a look at what a model would have said of them."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from netheal.store.delta import verdicts_layout


def recent_rows(delta_root: str, wanted: pa.Schema, rows: int) -> pa.Table:
    """Up to `rows` rows, those of the newest parts, in these columns; none where there is no table yet.

    A column that the table does not have, as nothing was ever scored with its feature, is null.
    """
    try:
        table = DeltaTable(verdicts_layout().uri(delta_root))
    except TableNotFoundError:
        return wanted.empty_table()
    stored = {field.name for field in table.schema().fields}
    there = [name for name in wanted.names if name in stored]
    parts: list[pa.Table] = [wanted.empty_table()]
    for part in _newest_first(table):
        parts.append(_with_columns(part.to_table(columns=there), wanted))
        if sum(found.num_rows for found in parts) >= rows:
            break
    return pa.concat_tables(parts).slice(0, rows)


def _with_columns(rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    for field in wanted:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(wanted.names).cast(wanted)


def _newest_first(table: DeltaTable) -> Iterator[ds.Fragment]:
    actions = pa.table(table.get_add_actions(flatten=True))
    order = dict(zip(actions["path"].to_pylist(), actions["modification_time"].to_pylist(), strict=True))
    fragments = table.to_pyarrow_dataset().get_fragments()
    yield from sorted(fragments, key=lambda f: order[f.path.lstrip("/")], reverse=True)
