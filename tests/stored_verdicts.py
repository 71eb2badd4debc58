"""Rows as the stream stores them, scored by some models without a stream."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from netheal.contracts import contracts_in_force
from netheal.contracts.schema import RAW_SCHEMA
from netheal.healing.policy import Policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.traffic.generator import TrafficGenerator
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer

OFFSET_BASE = 50
_AT_US = 1_733_063_422_123_000


def stored_verdicts(
    models: Sequence[ServedModel], policy: Policy, messages: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The verdicts of messages, generated ones unless told otherwise, of a topic that was recreated once."""
    values = [json.dumps(message).encode() for message in messages] or list(TrafficGenerator(seed=5).messages(60))
    loaded = by_contract(models)
    contracts = contracts_in_force(model.bundle.contract for model in loaded.values())
    read_at = datetime(2024, 12, 1, tzinfo=UTC)
    decoder = MessageDecoder(vocabulary(contracts))
    scorer = RecordScorer(Scorer(loaded, policy), decoder, "network-traffic", OFFSET_BASE, read_at)
    found: list[dict[str, Any]] = scorer.score(_records(values), 3).verdicts.to_pylist()
    assert found
    return found


def by_contract(models: Sequence[ServedModel]) -> dict[str, ServedModel]:
    """As a scorer takes them."""
    return {model.bundle.contract.id: model for model in models}


def _records(values: Sequence[bytes]) -> pa.RecordBatch:
    count = len(values)
    columns = [np.arange(count) % 3, np.arange(count), [_AT_US] * count, [None] * count, values]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)
