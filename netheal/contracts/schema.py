"""The columns of a Kafka record as the job reads it, and of verdicts and rejected rows as Delta stores them."""

from collections.abc import Iterable
from functools import cache

import pyarrow as pa

from netheal.contracts.contract import Contract, wire_contracts
from netheal.contracts.envelope import envelope_spellings

TIMESTAMP = pa.timestamp("us", tz="UTC")

RAW_SCHEMA = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", TIMESTAMP),
        ("key", pa.binary()),
        ("value", pa.binary()),
    ]
)
"""What the job reads of a Kafka record."""

_ORIGIN = [
    ("event_id", pa.int64()),
    ("recorded_at", TIMESTAMP),
    ("topic", pa.string()),
    ("partition", pa.int32()),
    ("offset", pa.int64()),
    ("batch_id", pa.int64()),
]


@cache
def verdict_schema() -> pa.Schema:
    """One row a scored message: where it came from, its envelope, features, predictions and action."""
    envelope = [(name, pa.int32() if name == "src_port" else pa.string()) for name in envelope_spellings()]
    return pa.schema(
        [
            *_ORIGIN,
            *envelope,
            *_feature_columns(wire_contracts()),
            ("threat_score", pa.float64()),
            ("threat_threshold", pa.float64()),
            ("threat_is_attack", pa.bool_()),
            ("threat_novelty", pa.float64()),
            ("threat_is_novel", pa.bool_()),
            ("threat_model_version", pa.string()),
            ("threat_model_hash", pa.string()),
            ("attack_class_id", pa.int16()),
            ("attack_class", pa.string()),
            ("attack_confidence", pa.float64()),
            ("attack_novelty", pa.float64()),
            ("attack_is_novel", pa.bool_()),
            ("attack_model_version", pa.string()),
            ("attack_model_hash", pa.string()),
            ("is_attack", pa.bool_()),
            ("action_type", pa.string()),
            ("action_description", pa.string()),
            ("action_params", pa.string()),
            ("action_status", pa.string()),
            ("policy_version", pa.string()),
        ]
    )


def _feature_columns(contracts: Iterable[Contract]) -> list[tuple[str, pa.DataType]]:
    features = {f.column: f for contract in contracts for f in contract.features}
    categories = [(category_column(f.column), pa.string()) for f in features.values() if f.category]
    return [*((column, pa.float64()) for column in features), *categories]


def verdict_schema_of(contracts: Iterable[Contract]) -> pa.Schema:
    """`verdict_schema()`, and at its end the features of those of the contracts that are no shipped ones."""
    schema = verdict_schema()
    there = set(schema.names)
    others = [pa.field(name, kind) for name, kind in _feature_columns(contracts) if name not in there]
    return pa.schema([*schema, *others]) if others else schema


@cache
def rejected_schema() -> pa.Schema:
    """One row a rejected message, with its raw bytes, so that it can be replayed."""
    return pa.schema(
        [
            *_ORIGIN,
            ("reason", pa.string()),
            ("field", pa.string()),
            ("detail", pa.string()),
            ("key", pa.binary()),
            ("value", pa.binary()),
        ]
    )


def category_column(column: str) -> str:
    """The column that keeps a category's string as it came, beside its code."""
    return f"{column}_category"
