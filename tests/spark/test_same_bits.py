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
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import ScoredBatch, Scorer
from udfs.pandas import attack_class_udf, attack_confidence_udf, threat_score_udf
from udfs.scoring_plan import ScoringPlan


@dataclass(frozen=True)
class ScoringTask:
    """The job's task without its sinks: gives back what it would have written, as rows of `schema`."""

    plan: ScoringPlan
    result: str
    schema: pa.Schema

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scorer = self.plan.scorer()
        for batch in batches:
            scored = scorer.score(batch, self.plan.batch_id)
            yield from getattr(scored, self.result).cast(self.schema).to_batches()


def scored_in_tasks(frame: DataFrame, plan: ScoringPlan, result: str, schema: pa.Schema) -> pa.Table:
    rows = frame.mapInArrow(ScoringTask(plan, result, schema), from_arrow_schema(schema))
    return rows.toArrow().cast(schema).sort_by("event_id").combine_chunks()


@pytest.fixture(scope="module")
def scored(traffic: Any, plan: ScoringPlan, threat_bundle: ServedBundle, attack_bundle: ServedBundle) -> ScoredBatch:
    """The same records through the core alone."""
    scorer = RecordScorer(
        scorer=Scorer(
            models={"threat/v1": ServedModel(threat_bundle), "attack/v1": ServedModel(attack_bundle)},
            policy=parse_policy(plan.policy),
        ),
        decoder=MessageDecoder(vocabulary(wire_contracts())),
        topic=plan.topic,
        offset_base=plan.offset_base,
        read_at=plan.read_at,
    )
    result = scorer.score(traffic.records, plan.batch_id)
    return ScoredBatch(
        result.verdicts.cast(verdict_schema()).sort_by("event_id").combine_chunks(),
        result.rejected.cast(rejected_schema()).sort_by("event_id").combine_chunks(),
        result.rule,
    )


def test_the_core_scores_nearly_every_row(traffic: Any, scored: ScoredBatch) -> None:
    assert scored.verdicts.num_rows + scored.rejected.num_rows == len(traffic.messages)
    assert scored.verdicts.num_rows > 0.95 * len(traffic.messages)


@pytest.mark.parametrize("tasks", [1, 3])
def test_spark_tasks_score_as_the_core_does(
    spark: SparkSession, traffic: Any, plan: ScoringPlan, scored: ScoredBatch, tasks: int
) -> None:
    """However the rows are spread over tasks: a replay never spreads them as before."""
    frame = traffic.frame(spark, tasks)
    verdicts = scored_in_tasks(frame, plan, "verdicts", verdict_schema())
    assert verdicts.equals(scored.verdicts)
    assert encode_verdicts(verdicts) == encode_verdicts(scored.verdicts)
    rejected = scored_in_tasks(frame, plan, "rejected", rejected_schema())
    assert rejected.equals(scored.rejected)


def test_a_replay_of_a_plan_gives_the_same_tables(spark: SparkSession, traffic: Any, plan: ScoringPlan) -> None:
    frame = traffic.frame(spark, 2)
    first, second = (scored_in_tasks(frame, plan, "verdicts", verdict_schema()) for _ in range(2))
    assert first.equals(second)


def bits(column: pa.ChunkedArray) -> list[int | None]:
    return [None if v is None else int(np.float64(v).view(np.int64)) for v in column.to_pylist()]


@pytest.mark.parametrize("way", ["struct of columns", "struct of wire names", "columns in order"])
def test_pandas_udfs_score_stored_rows_as_the_core_did(
    spark: SparkSession,
    scored: ScoredBatch,
    threat_bundle: ServedBundle,
    attack_bundle: ServedBundle,
    way: str,
) -> None:
    """Over the verdicts as they are stored: their features are enough to score them again."""
    stored = spark.createDataFrame(scored.verdicts).repartition(2)
    again = (
        stored.withColumn("score", threat_score_udf(spark, threat_bundle)(*arguments(threat_bundle, way)))
        .withColumn("class", attack_class_udf(spark, attack_bundle)(*arguments(attack_bundle, way)))
        .withColumn("confidence", attack_confidence_udf(spark, attack_bundle)(*arguments(attack_bundle, way)))
        .select("event_id", "score", "class", "confidence")
        .toArrow()
        .sort_by("event_id")
    )
    assert bits(again["score"]) == bits(scored.verdicts["threat_score"])
    assert bits(again["confidence"]) == bits(scored.verdicts["attack_confidence"])
    assert again["class"].to_pylist() == scored.verdicts["attack_class"].to_pylist()
    assert again.num_rows == scored.verdicts.num_rows


def arguments(bundle: ServedBundle, way: str) -> list[Any]:
    contract = bundle.contract
    if way == "columns in order":
        return [col(column) for column in contract.columns]
    if way == "struct of columns":
        return [struct("event_id", *contract.columns)]
    return [struct(*(col(f.column).alias(f.name) for f in reversed(contract.features)))]
