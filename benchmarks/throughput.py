"""Rows a second, and processor time a row, at full backlog."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.processes import CpuSampler
from benchmarks.rows import produce_backlog
from benchmarks.stack import Tell, wait_drained
from netheal.embedded.stack import LocalStack
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.store.database import connect, transaction


@dataclass(frozen=True)
class Throughput:
    """`rows` went through every sink in `seconds`, in `batches` micro-batches; `cpu_us_per_row` by process."""

    rows: int
    batches: int
    seconds: float
    cpu_us_per_row: dict[str, float]

    @property
    def rows_per_s(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


@dataclass(frozen=True)
class _Batch:
    rows: int
    closed_at: float


def measure_throughput(
    stack: LocalStack, messages: Sequence[bytes], rows: int, warmup_batches: int, tell: Tell
) -> Throughput:
    """Produce `warmup_batches` full micro-batches and `rows` more, start the job, and count all but the warm-up.

    The backlog is complete before the job begins, so every batch but the last is as large as the settings
    allow. The time is the ledger's: from the close of the last warm-up batch to the close of the last batch.
    """
    warmup_rows = warmup_batches * stack.settings.stream.max_offsets_per_batch
    tell(f"producing {warmup_rows + rows} rows, of which {warmup_rows} are for warming up")
    produce_backlog(stack.settings, messages, warmup_rows + rows)
    stack.start_job()
    with CpuSampler(stack.pids) as sampler:
        wait_drained(stack, tell)
    batches = _closed_batches(stack.settings)
    counted = batches[warmup_batches:]
    if not counted or sum(batch.rows for batch in batches) != warmup_rows + rows:
        raise ServiceUnavailable(f"the ledger does not have the {warmup_rows + rows} rows that were sent: {batches}")
    begin, end = batches[warmup_batches - 1].closed_at, counted[-1].closed_at
    total = sum(batch.rows for batch in counted)
    cpu = {role: seconds * 1e6 / total for role, seconds in sampler.between(begin, end).items()}
    return Throughput(total, len(counted), end - begin, cpu)


def _closed_batches(settings: Settings) -> list[_Batch]:
    connection = connect(settings.postgres.dsn.get_secret_value())
    try:
        with transaction(connection) as cursor:
            cursor.execute(
                "select verdicts + rejected, extract(epoch from closed_at)::float8"
                " from batches where state = 'done' order by batch_id"
            )
            return [_Batch(rows, closed_at) for rows, closed_at in cursor.fetchall()]
    finally:
        connection.close()
