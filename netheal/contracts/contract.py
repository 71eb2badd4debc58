"""A contract: a named, versioned, hashed list of features with a range for each."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Literal, get_args

from netheal.contracts.catalogue import known_features
from netheal.contracts.feature import Feature, feature_document, parse_feature
from netheal.errors import ContractError

_SHIPPED = ("attack_v1.json", "threat_v1.json", "threat_v2.json")

ModelType = Literal["threat_detector", "attack_classifier"]
MODEL_TYPES: tuple[ModelType, ...] = get_args(ModelType)


@dataclass(frozen=True)
class Contract:
    """The features a kind of model takes, in order.

    `infinite` is what happens to an infinite value: `zero` stores and scores 0.0, `reject` rejects the row.
    """

    id: str
    model_type: ModelType
    infinite: Literal["zero", "reject"]
    features: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Wire names in model order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Stored column names in model order."""
        return tuple(feature.column for feature in self.features)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over what a model depends on: names, order, ranges, categories, treatment of infinity."""
        body = [[f.name, f.minimum, None if math.isinf(f.maximum) else f.maximum, f.category] for f in self.features]
        text = json.dumps([self.model_type, self.infinite, body], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def contract_document(value: Contract) -> dict[str, Any]:
    """The JSON document of a contract; `parse_contract` reads it back."""
    return {
        "id": value.id,
        "model_type": value.model_type,
        "infinite": value.infinite,
        "features": [feature_document(feature) for feature in value.features],
    }


def parse_contract(document: dict[str, Any]) -> Contract:
    """A contract from its JSON document; raises ContractError where the document is no contract."""
    try:
        features = tuple(parse_feature(entry) for entry in document["features"])
        return Contract(document["id"], document["model_type"], document["infinite"], features)
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"not a feature contract: {error!r}") from error


@cache
def wire_contracts() -> tuple[Contract, ...]:
    """The shipped contracts, which messages on the input topic can fit at any time, in a fixed order."""
    data = files("netheal.contracts") / "data"
    return tuple(_shipped(json.loads((data / name).read_text("utf-8"))) for name in _SHIPPED)


def _shipped(document: dict[str, Any]) -> Contract:
    """A shipped contract names its features, which the catalogue knows."""
    features = tuple(known_features()[name] for name in document["features"])
    return Contract(document["id"], document["model_type"], document["infinite"], features)


def is_wire_contract(contract_hash: str | None) -> bool:
    """Whether it is a shipped one."""
    return any(known.hash == contract_hash for known in wire_contracts())


def wire_contract_ids(model_type: str) -> list[str]:
    """The shipped contracts of this type of model."""
    return [known.id for known in wire_contracts() if known.model_type == model_type]


def contracts_in_force(own: Iterable[Contract]) -> tuple[Contract, ...]:
    """The contracts that rows are read for: the shipped ones, then those of the active models that are none of them.

    >>> contracts_in_force(wire_contracts()) == wire_contracts()
    True
    """
    shipped = {known.hash for known in wire_contracts()}
    others = {contract.hash: contract for contract in own if contract.hash not in shipped}
    return (*wire_contracts(), *(others[key] for key in sorted(others)))


def contract(contract_id: str) -> Contract:
    """The shipped contract of that id; raises ContractError for an unknown one."""
    for known in wire_contracts():
        if known.id == contract_id:
            return known
    known_ids = ", ".join(known.id for known in wire_contracts())
    raise ContractError(f"there is no contract {contract_id!r}; known are {known_ids}")
