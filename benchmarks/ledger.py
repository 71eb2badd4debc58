"""The ledger of a stack: what went through every sink, and when."""

from collections.abc import Sequence
from dataclasses import dataclass

from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.store.database import connect, transaction


@dataclass(frozen=True)
class ClosedBatch:
    """A micro-batch that every sink has, closed at `closed_at` (seconds since the epoch)."""

    verdicts: int
    rejected: int
    closed_at: float

    @property
    def rows(self) -> int:
        """Rows that it took."""
        return self.verdicts + self.rejected


def closed_batches(settings: Settings) -> list[ClosedBatch]:
    """All of them, in their order."""
    connection = connect(settings.postgres.dsn.get_secret_value())
    try:
        with transaction(connection) as cursor:
            cursor.execute(
                "select verdicts, rejected, extract(epoch from closed_at)::float8"
                " from batches where state = 'done' order by batch_id"
            )
            return [ClosedBatch(*row) for row in cursor.fetchall()]
    finally:
        connection.close()


def require_rows(batches: Sequence[ClosedBatch], sent: int, broken: int | None) -> None:
    """Raise ServiceUnavailable where the batches do not have exactly the rows sent, or did not reject the broken ones.

    `broken`: how many of the rows must be rejected; None where that is not known.
    """
    rows, rejected = sum(batch.rows for batch in batches), sum(batch.rejected for batch in batches)
    if rows != sent:
        raise ServiceUnavailable(f"the ledger has {rows} rows, and {sent} were sent: {batches}")
    if broken is not None and rejected != broken:
        raise ServiceUnavailable(f"the ledger has {rejected} rejected rows, and {broken} broken ones were sent")
