"""Stored rows of generated traffic, as the stream's scorer gives them."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netheal.bundles.served import ServedBundle, read_served
from netheal.contracts import contracts_in_force
from netheal.contracts.schema import RAW_SCHEMA
from netheal.healing.policy import Policy, read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.traffic.generator import TrafficGenerator
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer

Models = dict[str, ServedModel]
StoredRows = Callable[..., list[dict[str, Any]]]
STARTERS = ("attack_classifier", "attack_classifier_tree", "threat_detector", "threat_detector_ensemble")
OFFSET_BASE = 50


@pytest.fixture(scope="session")
def policy(root: Path) -> Policy:
    return read_policy(root / "conf" / "healing_policy.json")


@pytest.fixture(scope="session")
def starter(models: Path) -> Callable[[str], ServedModel]:
    """A starter model by its folder."""
    return lambda name: ServedModel(read_served(models / name))


@pytest.fixture(scope="session")
def stored_rows(policy: Policy) -> StoredRows:
    """Rows as the stream stores them, of messages (generated ones, unless told otherwise) and models."""

    def score(models: Sequence[ServedModel | ServedBundle], messages: Sequence[Any] = ()) -> list[dict[str, Any]]:
        loaded = by_contract(models)
        values = [json.dumps(message).encode() for message in messages] or list(TrafficGenerator(seed=5).messages(60))
        contracts = contracts_in_force(model.bundle.contract for model in loaded.values())
        read_at = datetime(2024, 12, 1, tzinfo=UTC)
        scorer = RecordScorer(
            Scorer(loaded, policy), MessageDecoder(vocabulary(contracts)), "network-traffic", OFFSET_BASE, read_at
        )
        found: list[dict[str, Any]] = scorer.score(_records(values), 3).verdicts.to_pylist()
        assert found
        return found

    return score


def by_contract(models: Sequence[ServedModel | ServedBundle]) -> Models:
    loaded = [model if isinstance(model, ServedModel) else ServedModel(model) for model in models]
    return {model.bundle.contract.id: model for model in loaded}


def _records(values: Sequence[bytes]) -> pa.RecordBatch:
    count = len(values)
    columns = [
        [at % 3 for at in range(count)],
        np.arange(count),
        [1_733_063_422_123_000] * count,
        [None] * count,
        values,
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)
