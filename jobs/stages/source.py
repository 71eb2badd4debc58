"""The input topic as a streaming DataFrame, and the offsets that a checkpoint holds of it."""

from pyspark.sql import DataFrame, SparkSession

from netheal.contracts.schema import RAW_SCHEMA
from netheal.kafka.offsets import Offsets
from netheal.recovery.checkpoint import INITIAL, OFFSETS, CheckpointFiles, read_offsets
from netheal.settings import Settings


def read_topic(spark: SparkSession, settings: Settings, bootstrap_servers: str) -> DataFrame:
    """Raw records of the input topic, in the columns of `RAW_SCHEMA`; offsets lost to retention are an error."""
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap_servers)
        .option("subscribe", settings.stream.input_topic)
        .option("startingOffsets", "earliest")
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", settings.stream.max_offsets_per_batch)
        .option("kafka.isolation.level", "read_committed")
    )
    for name, value in (settings.kafka.java_options | settings.stream.spark_kafka_options).items():
        reader = reader.option(f"kafka.{name}", value)
    return reader.load().select(*RAW_SCHEMA.names)


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
