"""Rows of the ledger that nothing needs any more: a stream adds several hundred thousand a day.

A row goes when its batch was done before the days that Postgres serves, and is none of the last `KEPT` of its query:

- A start compares the checkpoint with the last batch of the query, and asks whether the ledger knows the checkpoint's
  query (`netheal.recovery`): the last batches of each query stay, however old.
- A topic that is adopted gets its offset base from the highest end there is, which is that of a last batch.
- Pace, health and the list of batches are about the newest ones.
- A verdict that is older than the days served is shown without its batch; model, policy and offset stand in its row.
- A batch that is open is never touched, so that no model is deleted that it is pinned to.
"""

from datetime import datetime

from netheal.store.database import Connection, transaction

KEPT = 1_000
_PIECE_ROWS = 20_000
_OLD = """
from batches b where b.state = 'done' and b.closed_at < %s
and b.batch_id <= (select max(l.batch_id) from batches l where l.query_id = b.query_id) - %s
"""
_DELETE = f"delete from batches where ctid = any (array(select b.ctid {_OLD} limit %s))"


def count_prunable(connection: Connection, done_before: datetime) -> int:
    """How many rows `prune_ledger` would remove."""
    with transaction(connection) as cursor:
        cursor.execute(f"select count(*) {_OLD}", (done_before, KEPT))
        (found,) = cursor.fetchone() or (0,)
    return int(found)


def prune_ledger(connection: Connection, done_before: datetime) -> int:
    """Remove the rows of batches that were done before, in short transactions; how many there were."""
    removed = 0
    while True:
        with transaction(connection) as cursor:
            cursor.execute(_DELETE, (done_before, KEPT, _PIECE_ROWS))
            removed += cursor.rowcount
            if cursor.rowcount < _PIECE_ROWS:
                return removed
