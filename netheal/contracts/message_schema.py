"""The JSON Schema of a message on the input topic, made of the contracts."""

import math
from collections.abc import Sequence
from typing import Any

from netheal.contracts.contract import Contract, wire_contracts
from netheal.contracts.envelope import envelope_spellings
from netheal.contracts.feature import Feature

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MAX_PORT = 65535


def message_schema(contracts: Sequence[Contract] | None = None) -> dict[str, Any]:
    """A schema of the messages that fit at least one of `contracts` (the wire contracts unless given).

    It is stricter than the stream, which takes null for absent and looks at a range only where all features of a
    contract are there. Words of categories are strings here: which ones are known depends on the active model.
    """
    wanted = wire_contracts() if contracts is None else contracts
    features = {feature.name: _feature_schema(feature) for known in wanted for feature in known.features}
    spellings = {name: _envelope_schema(field) for field, names in envelope_spellings().items() for name in names}
    return {
        "$schema": DIALECT,
        "title": "A flow on the input topic",
        "type": "object",
        "properties": spellings | features,
        "anyOf": [
            {"title": known.id, "description": f"For a {known.model_type}", "required": list(known.names)}
            for known in wanted
        ],
    }


def _feature_schema(feature: Feature) -> dict[str, Any]:
    """Bounds of a schema say nothing of strings, so that they stand beside a category's words."""
    schema: dict[str, Any] = {"type": ["integer", "string"] if feature.category else "number"}
    schema["minimum"] = feature.minimum
    if math.isfinite(feature.maximum):
        schema["maximum"] = feature.maximum
    if feature.meaning:
        schema["description"] = f"{feature.meaning}, in {feature.unit}" if feature.unit else feature.meaning
    return schema


def _envelope_schema(field: str) -> dict[str, Any]:
    if field == "src_port":
        return {"type": "integer", "minimum": 0, "maximum": _MAX_PORT}
    return {"type": ["string", "number"]}
