"""What a job asks of Spark for each micro-batch may be asked millions of times."""

from collections.abc import Iterable, Iterator
from typing import Any

from pyspark.sql import SparkSession

from jobs.stages.partition_ranges import PartitionRange, Share
from jobs.stages.scoring import run_tasks

SHARES = [[PartitionRange(0, 5, 8), PartitionRange(1, 0, 2)], [PartitionRange(1, 2, 9)]]


def read_offsets(shares: Iterable[Share]) -> Iterator[bytes]:
    (ranges,) = shares
    yield b"\x00\xff%d" % sum(end - start for _, start, end in ranges)


def names_to_delete_at_exit(spark: SparkSession) -> int:
    """How many files the JVM remembers until it ends."""
    jvm: Any = spark.sparkContext._jvm
    files = jvm.java.lang.Class.forName("java.io.DeleteOnExitHook").getDeclaredField("files")
    files.setAccessible(True)
    return int(files.get(None).size())


def test_receipts_come_in_order_and_the_jvm_remembers_nothing_of_them(spark: SparkSession) -> None:
    assert run_tasks(spark, SHARES, read_offsets) == [b"\x00\xff5", b"\x00\xff7"]
    before = names_to_delete_at_exit(spark)
    for _ in range(3):
        run_tasks(spark, SHARES, read_offsets)
    assert names_to_delete_at_exit(spark) == before
    assert run_tasks(spark, [], read_offsets) == []
