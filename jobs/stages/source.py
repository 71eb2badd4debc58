"""The input topic as a streaming DataFrame, and the offsets that a checkpoint holds of it."""

import json
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from netheal.settings import Settings
from netheal.store.ledger import Offsets
from netheal.store.schema import RAW_SCHEMA


def read_topic(spark: SparkSession, settings: Settings, bootstrap_servers: str) -> DataFrame:
    """Raw records of the input topic, in the columns of `RAW_SCHEMA`; offsets lost to retention are an error."""
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap_servers)
        .option("subscribe", settings.input_topic)
        .option("startingOffsets", "earliest")
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", settings.max_offsets_per_batch)
        .option("kafka.isolation.level", "read_committed")
    )
    for name, value in settings.spark_kafka_options.items():
        reader = reader.option(f"kafka.{name}", value)
    return reader.load().select(*RAW_SCHEMA.names)


class CheckpointOffsets:
    """The offsets of each micro-batch, as Spark wrote them before the batch began."""

    def __init__(self, spark: SparkSession, checkpoint: str, topic: str) -> None:
        jvm: Any = spark.sparkContext._jvm
        self._jvm = jvm
        self._topic = topic
        self._folder = checkpoint.rstrip("/")
        path = jvm.org.apache.hadoop.fs.Path(self._folder)
        self._files = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())

    def end_of(self, batch_id: int) -> Offsets:
        """Where the batch ends, exclusive."""
        return self._offsets(f"offsets/{batch_id}")

    def start_of(self, batch_id: int) -> Offsets:
        """Where the batch begins."""
        return self._offsets("sources/0/0") if batch_id == 0 else self.end_of(batch_id - 1)

    def _offsets(self, name: str) -> Offsets:
        stream = self._files.open(self._jvm.org.apache.hadoop.fs.Path(f"{self._folder}/{name}"))
        try:
            text = str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()
        document = json.loads(text[text.rindex("\n{") if "\n{" in text else text.index("{") :])
        return {str(partition): int(offset) for partition, offset in document[self._topic].items()}
