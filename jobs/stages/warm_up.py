"""Spark's Python workers made ready before the first micro-batch, which would wait for their imports."""

from collections.abc import Iterable
from importlib import import_module

from pyspark.sql import SparkSession

_OF_A_TASK = (
    "jobs.stages.score_task",
    "netheal.scoring.model",
    "netheal.verdicts.record_scorer",
    "netheal.onnx_runtime",
)


def warm_up(spark: SparkSession, tasks: int) -> None:
    """Start a worker for each task of a batch, with all that a task imports; Spark keeps them for what comes."""
    spark.sparkContext.parallelize(range(tasks), tasks).mapPartitions(_import_task).collect()


def _import_task(numbers: Iterable[int]) -> Iterable[int]:
    for module in _OF_A_TASK:
        import_module(module)
    return numbers
