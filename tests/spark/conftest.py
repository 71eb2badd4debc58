"""One local Spark session for all tests of this folder, and the rows that they score."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.stages.session import spark_session
from netheal.bundles.served import ServedBundle
from netheal.contracts.schema import RAW_SCHEMA
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.settings import load_settings
from netheal.traffic.generator import TrafficGenerator
from udfs.scoring_plan import ScoringPlan

RECORDED_AT = datetime(2024, 12, 1, tzinfo=UTC)
ROWS = 3_000


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("spark")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """As the job makes it: two tasks at a time, the jars of var/jars."""
    settings = load_settings(var_dir=tmp_path_factory.mktemp("spark"), driver_memory="1g", scoring_tasks=2)
    if not (settings.paths.tools_dir / "spark").is_dir():
        pytest.skip(f"Spark's jars are not in {settings.paths.tools_dir}: run `make setup`")
    session = spark_session(settings)
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    session.stop()


@dataclass(frozen=True)
class Traffic:
    """Messages as the input topic holds them, by the name of where they come from."""

    source: str
    messages: list[bytes]

    @property
    def records(self) -> pa.RecordBatch:
        """As the job reads them from Kafka: two partitions in turn."""
        columns = [
            [at % 2 for at in range(len(self.messages))],
            [at // 2 for at in range(len(self.messages))],
            [RECORDED_AT] * len(self.messages),
            [None] * len(self.messages),
            self.messages,
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)

    def frame(self, spark: SparkSession, tasks: int) -> DataFrame:
        """The records in Spark, over so many tasks."""
        return spark.createDataFrame(pa.Table.from_batches([self.records])).repartition(tasks)


@pytest.fixture(scope="session", params=["generated", "cic-ids2017/reference_12006.csv.gz", "nsl-kdd/KDDTest+.txt.gz"])
def traffic(request: pytest.FixtureRequest) -> Traffic:
    """Generated messages, some of them broken; rows of the published files where they are there."""
    if request.param == "generated":
        return Traffic(request.param, TrafficGenerator(11, broken_share=0.02).messages(ROWS))
    table = next(iter(read_flow_file(request.getfixturevalue("shared_data") / request.param))).slice(0, ROWS)
    return Traffic(request.param, encode_rows(table))


@pytest.fixture(scope="session")
def plan(spark: SparkSession, root: Path, threat_bundle: ServedBundle, attack_bundle: ServedBundle) -> ScoringPlan:
    """The starter models and the shipped policy, as the job hands them to its tasks."""
    bundles = {"threat/v1": threat_bundle, "attack/v1": attack_bundle}
    return ScoringPlan(
        topic="network-traffic",
        offset_base=0,
        batch_id=4,
        models={contract_id: bundle.hash for contract_id, bundle in bundles.items()},
        bundles=spark.sparkContext.broadcast({bundle.hash: bundle for bundle in bundles.values()}),
        policy_version="shipped",
        policy=json.loads((root / "conf" / "healing_policy.json").read_text("utf-8")),
        read_at=RECORDED_AT,
    )
