"""The input topic as a streaming DataFrame, whose rows nobody reads, and the offsets that a checkpoint holds of it."""

from pyspark.sql import DataFrame, SparkSession

from netheal.kafka.offsets import Offsets
from netheal.recovery.checkpoint import INITIAL, OFFSETS, CheckpointFiles, read_offsets
from netheal.settings import Settings

WORTH_A_BATCH = 100
"""Rows for which the next micro-batch does not wait."""


def plan_batches(spark: SparkSession, settings: Settings, bootstrap_servers: str) -> DataFrame:
    """The input topic as Spark plans its micro-batches, whose records the tasks read; lost offsets are an error."""
    stream = settings.stream
    options: dict[str, str | int] = {
        "kafka.bootstrap.servers": bootstrap_servers,
        "subscribe": stream.input_topic,
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
        "maxOffsetsPerTrigger": stream.max_offsets_per_batch,
        "kafka.isolation.level": "read_committed",
    }
    if stream.max_batch_delay_ms:
        worth_a_batch = min(WORTH_A_BATCH, stream.max_offsets_per_batch)
        options |= {"minOffsetsPerTrigger": worth_a_batch, "maxTriggerDelay": f"{stream.max_batch_delay_ms}ms"}
    client = settings.kafka.java_options | stream.spark_kafka_options
    options |= {f"kafka.{name}": value for name, value in client.items()}
    return spark.readStream.format("kafka").options(**options).load()


class CheckpointOffsets:
    """The offsets of each micro-batch, as Spark wrote them before the batch began."""

    def __init__(self, files: CheckpointFiles, topic: str) -> None:
        self._files = files
        self._topic = topic

    def end_of(self, batch_id: int) -> Offsets:
        """Where the batch ends, exclusive."""
        return read_offsets(self._files, f"{OFFSETS}/{batch_id}", self._topic)

    def start_of(self, batch_id: int) -> Offsets:
        """Where the batch begins."""
        return read_offsets(self._files, INITIAL, self._topic) if batch_id == 0 else self.end_of(batch_id - 1)
