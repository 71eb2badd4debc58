"""A scorer of the starter models, and messages as the records that it takes: what a task does, in this process."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from netheal.bundles.served import read_served
from netheal.contracts import contracts_in_force
from netheal.contracts.schema import RAW_SCHEMA
from netheal.healing.policy import read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.settings import PROJECT_ROOT, load_settings
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer

_MODELS = {"threat/v1": "threat_detector", "attack/v1": "attack_classifier"}
_READ_AT = datetime(2026, 1, 1, tzinfo=UTC)


def starter_scorer(topic: str = "network-traffic") -> RecordScorer:
    """Both starter models and the shipped policy."""
    folder = PROJECT_ROOT / "research" / "models"
    models = {contract_id: ServedModel(read_served(folder / name)) for contract_id, name in _MODELS.items()}
    return RecordScorer(
        Scorer(models, read_policy(load_settings().paths.policy_path)),
        MessageDecoder(vocabulary(contracts_in_force(model.bundle.contract for model in models.values()))),
        topic,
        0,
        _READ_AT,
    )


def as_records(messages: Sequence[bytes], rows_per_batch: int) -> list[pa.RecordBatch]:
    """The messages as records of partition 0, in `RAW_SCHEMA`; an offset is a message's place."""
    return [
        _records(messages[first : first + rows_per_batch], first) for first in range(0, len(messages), rows_per_batch)
    ]


def _records(messages: Sequence[bytes], first: int) -> pa.RecordBatch:
    count = len(messages)
    columns = [[0] * count, list(range(first, first + count)), [_READ_AT] * count, [None] * count, list(messages)]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)
