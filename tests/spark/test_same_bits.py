"""Every door gives the same bits: the core, the job's Arrow function in Spark tasks, the pandas UDFs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, struct
from pyspark.sql.pandas.types import from_arrow_schema

from netheal.bundles.served import ServedBundle
from netheal.contracts import wire_contracts
from netheal.contracts.schema import rejected_schema, verdict_schema
from netheal.healing.policy import parse_policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.judge import Judge, Judged
from udfs.arrow import JudgePlan
from udfs.pandas import attack_class_udf, attack_confidence_udf, threat_score_udf


@dataclass(frozen=True)
class JudgeTask:
    """The job's task without its sinks: gives back what it would have written, as rows of `schema`."""

    plan: JudgePlan
    result: str
    schema: pa.Schema

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        judge = self.plan.judge()
        for batch in batches:
            judged = judge.judge(batch, self.plan.batch_id)
            yield from getattr(judged, self.result).cast(self.schema).to_batches()


def judged_in_tasks(frame: DataFrame, plan: JudgePlan, result: str, schema: pa.Schema) -> pa.Table:
    rows = frame.mapInArrow(JudgeTask(plan, result, schema), from_arrow_schema(schema))
    return rows.toArrow().cast(schema).sort_by("event_id").combine_chunks()


@pytest.fixture(scope="module")
def judged(traffic: Any, plan: JudgePlan, threat_bundle: ServedBundle, attack_bundle: ServedBundle) -> Judged:
    """The same records through the core alone."""
    judge = Judge(
        topic=plan.topic,
        offset_base=plan.offset_base,
        decoder=MessageDecoder(vocabulary(wire_contracts())),
        models={"threat/v1": ServedModel(threat_bundle), "attack/v1": ServedModel(attack_bundle)},
        policy=parse_policy(plan.policy),
        read_at=plan.read_at,
    )
    result = judge.judge(traffic.records, plan.batch_id)
    return Judged(
        result.verdicts.cast(verdict_schema()).sort_by("event_id").combine_chunks(),
        result.rejected.cast(rejected_schema()).sort_by("event_id").combine_chunks(),
        result.rule,
    )


def test_the_core_judges_nearly_every_row(traffic: Any, judged: Judged) -> None:
    assert judged.verdicts.num_rows + judged.rejected.num_rows == len(traffic.messages)
    assert judged.verdicts.num_rows > 0.95 * len(traffic.messages)


@pytest.mark.parametrize("tasks", [1, 3])
def test_spark_tasks_judge_as_the_core_does(
    spark: SparkSession, traffic: Any, plan: JudgePlan, judged: Judged, tasks: int
) -> None:
    """However the rows are spread over tasks: a replay never spreads them as before."""
    frame = traffic.frame(spark, tasks)
    verdicts = judged_in_tasks(frame, plan, "verdicts", verdict_schema())
    assert verdicts.equals(judged.verdicts)
    assert encode_verdicts(verdicts) == encode_verdicts(judged.verdicts)
    rejected = judged_in_tasks(frame, plan, "rejected", rejected_schema())
    assert rejected.equals(judged.rejected)


def test_a_replay_of_a_plan_gives_the_same_tables(spark: SparkSession, traffic: Any, plan: JudgePlan) -> None:
    frame = traffic.frame(spark, 2)
    first, second = (judged_in_tasks(frame, plan, "verdicts", verdict_schema()) for _ in range(2))
    assert first.equals(second)


def bits(column: pa.ChunkedArray) -> list[int | None]:
    return [None if v is None else int(np.float64(v).view(np.int64)) for v in column.to_pylist()]


@pytest.mark.parametrize("way", ["struct of columns", "struct of wire names", "columns in order"])
def test_pandas_udfs_score_stored_rows_as_the_core_did(
    spark: SparkSession,
    judged: Judged,
    threat_bundle: ServedBundle,
    attack_bundle: ServedBundle,
    way: str,
) -> None:
    """Over the verdicts as they are stored: their features are enough to score them again."""
    stored = spark.createDataFrame(judged.verdicts).repartition(2)
    again = (
        stored.withColumn("score", threat_score_udf(spark, threat_bundle)(*arguments(threat_bundle, way)))
        .withColumn("class", attack_class_udf(spark, attack_bundle)(*arguments(attack_bundle, way)))
        .withColumn("confidence", attack_confidence_udf(spark, attack_bundle)(*arguments(attack_bundle, way)))
        .select("event_id", "score", "class", "confidence")
        .toArrow()
        .sort_by("event_id")
    )
    assert bits(again["score"]) == bits(judged.verdicts["threat_score"])
    assert bits(again["confidence"]) == bits(judged.verdicts["attack_confidence"])
    assert again["class"].to_pylist() == judged.verdicts["attack_class"].to_pylist()
    assert again.num_rows == judged.verdicts.num_rows


def arguments(bundle: ServedBundle, way: str) -> list[Any]:
    contract = bundle.contract
    if way == "columns in order":
        return [col(column) for column in contract.columns]
    if way == "struct of columns":
        return [struct("event_id", *contract.columns)]
    return [struct(*(col(f.column).alias(f.name) for f in reversed(contract.features)))]
