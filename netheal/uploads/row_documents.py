"""A scored row of an uploaded file as JSON."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from netheal.contracts import Contract
from netheal.contracts.schema import category_column
from netheal.uploads.upload_store import TOPIC
from netheal.verdicts.encode import encode_verdicts


class _Message(msgspec.Struct):
    """The parts of an output message that stand in the document as they are."""

    timestamp: str
    traffic_data_id: int
    is_attack: bool
    threat_prediction: msgspec.Raw
    attack_prediction: msgspec.Raw
    self_healing_action: msgspec.Raw


def row_documents(
    verdicts: pa.Table, contracts: Sequence[Contract], batch_id: str, lines: Sequence[int | None]
) -> Iterator[bytes]:
    """One document a verdict: the same parts as in the output topic's message, and the features as they came.

    `verdicts` [n] are in `verdict_schema()`, as scored or as Delta gives them back; `lines` [n] are those of the file.
    """
    if verdicts.num_rows == 0:
        return
    decode = msgspec.json.Decoder(_Message).decode
    parts = zip(lines, _features(verdicts, contracts), encode_verdicts(verdicts), strict=True)
    for line, features, text in parts:
        message = decode(text)
        yield msgspec.json.encode(
            {
                "line": line,
                "traffic_data": {
                    "id": message.traffic_data_id,
                    "features": features,
                    "source": TOPIC,
                    "batch_id": batch_id,
                    "created_at": message.timestamp,
                },
                "is_attack": message.is_attack,
                "threat_prediction": message.threat_prediction,
                "attack_prediction": message.attack_prediction,
                "self_healing_action": message.self_healing_action,
            }
        )


def _features(verdicts: pa.Table, contracts: Sequence[Contract]) -> Iterator[dict[str, Any]]:
    """Wire name -> value of the features of these contracts that a row has; a category as the string it came as."""
    known = {feature.name: feature for contract in contracts for feature in contract.features}
    columns = []
    for feature in known.values():
        values = verdicts[feature.column].to_pylist()
        if feature.category:
            texts = verdicts[category_column(feature.column)].to_pylist()
            values = [value if text is None else text for value, text in zip(values, texts, strict=True)]
        columns.append(values)
    for row in zip(*columns, strict=True):
        yield {name: value for name, value in zip(known, row, strict=True) if _is_value(value)}


def _is_value(value: float | str | None) -> bool:
    return isinstance(value, str) or (value is not None and math.isfinite(value))
