"""A scorer of the starter models and the shipped policy, and raw records of generated traffic."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from netheal.bundles.served import ServedBundle
from netheal.contracts import wire_contracts
from netheal.contracts.schema import RAW_SCHEMA
from netheal.healing.policy import read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer

START = datetime(2024, 12, 1, 14, 30, 22, 123_456, UTC)
READ_AT = datetime(2024, 12, 1, 15, 0, 0, 654_321, UTC)
MakeRecords = Callable[[Sequence[bytes | None]], pa.RecordBatch]


@pytest.fixture(scope="session")
def scorer(root: Path, threat_bundle: ServedBundle, attack_bundle: ServedBundle) -> RecordScorer:
    return RecordScorer(
        scorer=Scorer(
            models={"threat/v1": ServedModel(threat_bundle), "attack/v1": ServedModel(attack_bundle)},
            policy=read_policy(root / "conf" / "healing_policy.json"),
        ),
        decoder=MessageDecoder(vocabulary(wire_contracts())),
        topic="network-traffic",
        offset_base=0,
        read_at=READ_AT,
    )


@pytest.fixture(scope="session")
def make_records() -> MakeRecords:
    """Kafka records of these values: three partitions in turn, a second apart."""

    def make(values: Sequence[bytes | None]) -> pa.RecordBatch:
        count = len(values)
        columns = [
            [at % 3 for at in range(count)],
            [1_000 + at // 3 for at in range(count)],
            [START + timedelta(seconds=at) for at in range(count)],
            [None if at % 2 else b"key %d" % at for at in range(count)],
            list(values),
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)

    return make
