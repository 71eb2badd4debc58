"""The newest rows of Delta `verdicts`, for a look at what a model would have said of them."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from netheal.store.delta import verdicts_layout


def recent_rows(delta_root: str, columns: Sequence[str], rows: int) -> pa.Table:
    """Up to `rows` rows, those of the newest parts, in these columns of the table; none where there is no table yet."""
    wanted = pa.schema([verdicts_layout().schema.field(name) for name in columns])
    try:
        table = DeltaTable(verdicts_layout().uri(delta_root))
    except TableNotFoundError:
        return wanted.empty_table()
    parts: list[pa.Table] = [wanted.empty_table()]
    for part in _newest_first(table):
        parts.append(part.to_table(columns=list(columns)).cast(wanted))
        if sum(found.num_rows for found in parts) >= rows:
            break
    return pa.concat_tables(parts).slice(0, rows)


def _newest_first(table: DeltaTable) -> Iterator[ds.Fragment]:
    actions = pa.table(table.get_add_actions(flatten=True))
    order = dict(zip(actions["path"].to_pylist(), actions["modification_time"].to_pylist(), strict=True))
    fragments = table.to_pyarrow_dataset().get_fragments()
    yield from sorted(fragments, key=lambda f: order[f.path.lstrip("/")], reverse=True)
