"""What a task tells the driver: what it wrote, and what is to be committed."""

import msgspec

from netheal.store.delta import Part
from netheal.verdicts.latency import LatencyCounts


class TaskReceipt(msgspec.Struct, frozen=True):
    """One task's rows and parts; `counts` are (minute, kind, name, rows)."""

    verdicts: int
    rejected: int
    messages: int
    verdict_parts: list[Part]
    quarantine_parts: list[Part]
    counts: list[tuple[int, str, str, int]]
    drift: dict[str, list[int]] = {}
    """Bundle hash -> `DriftCounts.values` of the rows that went to the model, where its bundle has histograms."""
    failure: tuple[str, str] | None = None
    """Why a model failed, and its bundle's hash; the task then made nothing durable."""
    latencies: LatencyCounts = LatencyCounts()
    """Of its verdicts, until the output topic had acknowledged the last of them."""
    retried: bool = False
    """Whether an earlier attempt at the task came to nothing, which may have left parts behind."""

    def encoded(self) -> bytes:
        """As a task gives it back to Spark."""
        return msgspec.json.encode(self)


def read_receipt(encoded: bytes) -> TaskReceipt:
    """The receipt of a task."""
    return msgspec.json.decode(encoded, type=TaskReceipt)
