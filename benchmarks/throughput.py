"""Rows a second, and processor time a row, at full backlog."""

from dataclasses import dataclass

from benchmarks.ledger import closed_batches, require_rows
from benchmarks.loads import Load
from benchmarks.processes import CpuSampler
from benchmarks.rows import produce_backlog
from benchmarks.stack import Tell, wait_drained
from netheal.embedded.stack import LocalStack
from netheal.errors import ServiceUnavailable


@dataclass(frozen=True)
class Throughput:
    """`rows`, of which `rejected`, went through every sink in `seconds`, in `batches` micro-batches.

    `cpu_us_per_row` by process.
    """

    rows: int
    rejected: int
    batches: int
    seconds: float
    cpu_us_per_row: dict[str, float]

    @property
    def rows_per_s(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def measure_throughput(
    stack: LocalStack, load: Load, rows: int, warmup_batches: int, lz4_share: float, tell: Tell
) -> Throughput:
    """Produce `warmup_batches` full micro-batches and `rows` more, start the job, and count all but the warm-up.

    The backlog is complete before the job begins, so every batch but the last is as large as the settings
    allow. The time is the ledger's: from the close of the last warm-up batch to the close of the last batch.
    """
    warmup_rows = warmup_batches * stack.settings.stream.max_offsets_per_batch
    sent = warmup_rows + rows
    tell(f"producing {sent} rows, of which {warmup_rows} are for warming up")
    produce_backlog(stack.settings, load.messages, sent, lz4_share)
    stack.start_job()
    with CpuSampler(stack.pids) as sampler:
        wait_drained(stack, tell)
    batches = closed_batches(stack.settings)
    require_rows(batches, sent, load.broken_in(sent))
    counted = batches[warmup_batches:]
    if not counted:
        raise ServiceUnavailable(f"the rows came in {len(batches)} batches, which are all for warming up")
    begin, end = batches[warmup_batches - 1].closed_at, counted[-1].closed_at
    total = sum(batch.rows for batch in counted)
    cpu = {role: seconds * 1e6 / total for role, seconds in sampler.between(begin, end).items()}
    return Throughput(total, sum(batch.rejected for batch in counted), len(counted), end - begin, cpu)
