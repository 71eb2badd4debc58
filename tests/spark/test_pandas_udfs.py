"""What a notebook or a SQL query may hand to the UDFs, and what comes of rows that the stream would reject."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from chispa import assert_df_equality
from pyspark import Broadcast
from pyspark.errors import PythonException
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, lit, struct

from netheal.bundles.served import ServedBundle
from netheal.errors import ContractError
from netheal.scoring.model import ServedModel
from udfs.pandas import attack_class_udf, attack_confidence_udf, register, threat_score_udf
from udfs.workers import loaded_model

Row = dict[str, Any]


@pytest.fixture(scope="module")
def threat_row(threat_bundle: ServedBundle) -> Row:
    return dict.fromkeys(threat_bundle.contract.columns, 1.0) | {"service": "http", "flag": "SF"}


@pytest.fixture(scope="module")
def attack_row(attack_bundle: ServedBundle) -> Row:
    return dict.fromkeys(attack_bundle.contract.columns, 1.0)


def scores(spark: SparkSession, bundle: ServedBundle, *rows: Row) -> list[float | None]:
    """The score or confidence of each row, which go as one struct each."""
    made = threat_score_udf if bundle.manifest.model_type == "threat_detector" else attack_confidence_udf
    frame = spark.createDataFrame(pa.Table.from_pylist(list(rows))).coalesce(1)
    return [row[0] for row in frame.select(made(spark, bundle)(struct(*frame.columns))).collect()]


def test_categories_come_as_strings_or_as_codes(
    spark: SparkSession, threat_bundle: ServedBundle, threat_row: Row
) -> None:
    codes = ServedModel(threat_bundle).encoders
    coded = threat_row | {name: codes[name][threat_row[name]] for name in ("service", "flag")}
    (of_strings,), (of_codes,) = scores(spark, threat_bundle, threat_row), scores(spark, threat_bundle, coded)
    assert of_strings == of_codes is not None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("count", None),
        ("count", math.nan),
        ("count", -1.0),
        ("count", math.inf),
        ("same_srv_rate", 1.5),
        ("service", "no such service"),
        ("service", None),
    ],
)
def test_a_row_that_the_stream_would_reject_gives_null(
    spark: SparkSession, threat_bundle: ServedBundle, threat_row: Row, column: str, value: Any
) -> None:
    good, bad, also_good = scores(spark, threat_bundle, threat_row, threat_row | {column: value}, threat_row)
    assert bad is None
    assert good is not None and good == also_good


def test_an_infinite_value_of_a_flow_counts_as_zero(
    spark: SparkSession, attack_bundle: ServedBundle, attack_row: Row
) -> None:
    rows = [attack_row | {"flow_bytes_per_s": value} for value in (0.0, math.inf, -math.inf)]
    zero, *infinite = scores(spark, attack_bundle, *rows)
    assert infinite == [zero, zero] and zero is not None


def test_numbers_of_any_type_are_taken(spark: SparkSession, attack_bundle: ServedBundle, attack_row: Row) -> None:
    (expected,) = scores(spark, attack_bundle, attack_row)
    for number in (1, Decimal(1), True):
        frame = spark.createDataFrame(pa.Table.from_pylist([attack_row]))
        frame = frame.withColumn("flow_duration", lit(number))
        made = frame.select(attack_confidence_udf(spark, attack_bundle)(struct(*frame.columns)))
        if number is True:
            with pytest.raises(PythonException, match="' Flow Duration' is not a column of numbers"):
                made.collect()
        else:
            assert made.collect()[0][0] == expected


def test_strings_are_no_numbers(spark: SparkSession, threat_bundle: ServedBundle, threat_row: Row) -> None:
    with pytest.raises(PythonException, match="'count' is not a column of numbers"):
        scores(spark, threat_bundle, threat_row | {"count": "1"})


def test_a_struct_that_lacks_a_feature_names_it(
    spark: SparkSession, threat_bundle: ServedBundle, threat_row: Row
) -> None:
    lacking = {name: value for name, value in threat_row.items() if name != "count"}
    with pytest.raises(PythonException, match="threat/v1: the struct lacks 'count'"):
        scores(spark, threat_bundle, lacking)


def test_too_few_columns_are_refused(spark: SparkSession, threat_bundle: ServedBundle) -> None:
    frame = spark.range(1).select(threat_score_udf(spark, threat_bundle)(col("id"), col("id")))
    with pytest.raises(PythonException, match="threat/v1 has 10 features, 2 columns were given"):
        frame.collect()


@pytest.mark.parametrize("made", [attack_class_udf, attack_confidence_udf])
def test_a_model_of_another_kind_is_refused(spark: SparkSession, threat_bundle: ServedBundle, made: Any) -> None:
    with pytest.raises(ContractError, match="a model of type attack_classifier is needed"):
        made(spark, threat_bundle)


def test_an_empty_frame_gives_no_answer(spark: SparkSession, attack_bundle: ServedBundle, attack_row: Row) -> None:
    frame = spark.createDataFrame(pa.Table.from_pylist([attack_row])).where(lit(False))
    assert frame.select(attack_class_udf(spark, attack_bundle)(struct(*frame.columns))).collect() == []


def test_sql_knows_a_registered_bundle(
    spark: SparkSession,
    threat_bundle: ServedBundle,
    attack_bundle: ServedBundle,
    threat_row: Row,
    attack_row: Row,
) -> None:
    register(spark, threat_bundle, "threat_score")
    register(spark, attack_bundle, "attack_class")
    spark.createDataFrame(pa.Table.from_pylist([threat_row | attack_row])).createOrReplaceTempView("flows")
    by_sql = spark.sql(
        "select threat_score(struct(*)) score, attack_class(struct(*)) class,"
        f" attack_class_confidence({', '.join(attack_bundle.contract.columns)}) confidence from flows"
    )
    features = struct(*spark.table("flows").columns)
    by_columns = spark.table("flows").select(
        threat_score_udf(spark, threat_bundle)(features).alias("score"),
        attack_class_udf(spark, attack_bundle)(features).alias("class"),
        attack_confidence_udf(spark, attack_bundle)(features).alias("confidence"),
    )
    assert_df_equality(by_sql, by_columns)
    first = by_sql.first()
    assert first is not None and None not in first


@dataclass(frozen=True)
class WhichModel:
    """Says in which process and where in its memory a worker has the model."""

    bundle: Broadcast[ServedBundle]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            yield pa.record_batch({"pid": [os.getpid()], "place": [id(loaded_model(self.bundle.value))]})


def test_a_worker_loads_a_bundle_once(spark: SparkSession, attack_bundle: ServedBundle) -> None:
    """Each query broadcasts the bundle anew; the worker knows it by its hash."""
    places: dict[int, set[int]] = {}
    for _ in range(3):
        task = WhichModel(spark.sparkContext.broadcast(attack_bundle))
        for row in spark.range(8).repartition(4).mapInArrow(task, "pid long, place long").collect():
            places.setdefault(row.pid, set()).add(row.place)
    assert all(len(of_worker) == 1 for of_worker in places.values())
