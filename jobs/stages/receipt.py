"""What a task tells the driver: what it wrote, and what is to be committed."""

import msgspec
import pyarrow as pa
from pyspark.sql.types import BinaryType, StructField, StructType

from netheal.store.delta import Part
from netheal.verdicts.latency import LatencyCounts

RECEIPT_SCHEMA = StructType([StructField("receipt", BinaryType(), nullable=False)])


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

    def to_batch(self) -> pa.RecordBatch:
        """As the one row that a task gives back to Spark."""
        return pa.record_batch({"receipt": pa.array([msgspec.json.encode(self)], pa.binary())})


def read_receipt(encoded: bytes) -> TaskReceipt:
    """The receipt in a row."""
    return msgspec.json.decode(encoded, type=TaskReceipt)
