"""A contract: a named, versioned, hashed list of features with a range for each."""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Literal, get_args

from netheal.errors import ContractError

ModelType = Literal["threat_detector", "attack_classifier"]
MODEL_TYPES: tuple[ModelType, ...] = get_args(ModelType)


@dataclass(frozen=True)
class Feature:
    """One model input.

    `name` is exact on the wire (leading spaces and all), `column` is its name in stored tables,
    `minimum` and `maximum` are inclusive, `category` says that the value may come as a string,
    `aliases` are other names that flow meters give it in files.
    """

    name: str
    column: str
    minimum: float
    maximum: float
    category: bool = False
    aliases: tuple[str, ...] = ()


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
        "features": [_feature_document(feature) for feature in value.features],
    }


def _feature_document(feature: Feature) -> dict[str, Any]:
    document: dict[str, Any] = {"name": feature.name, "column": feature.column, "minimum": feature.minimum}
    if math.isfinite(feature.maximum):
        document["maximum"] = feature.maximum
    if feature.category:
        document["category"] = True
    return document


def parse_contract(document: dict[str, Any]) -> Contract:
    """A contract from its JSON document; raises ContractError where the document is no contract."""
    try:
        features = tuple(
            Feature(
                name=entry["name"],
                column=entry["column"],
                minimum=float(entry["minimum"]),
                maximum=float(entry.get("maximum", math.inf)),
                category=bool(entry.get("category", False)),
                aliases=tuple(entry.get("aliases", ())),
            )
            for entry in document["features"]
        )
        return Contract(document["id"], document["model_type"], document["infinite"], features)
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"not a feature contract: {error!r}") from error


@cache
def wire_contracts() -> tuple[Contract, ...]:
    """The contracts a message on the input topic can fit, in a fixed order."""
    data = files("netheal.contracts") / "data"
    names = ("attack_v1.json", "threat_v1.json", "threat_v2.json")
    return tuple(parse_contract(json.loads((data / name).read_text("utf-8"))) for name in names)


def is_wire_contract(contract_hash: str | None) -> bool:
    """Whether there are messages for it: rows are decoded into the features of the wire contracts alone."""
    return any(known.hash == contract_hash for known in wire_contracts())


def wire_contract_ids(model_type: str) -> list[str]:
    """The wire contracts that a model of this type can take."""
    return [known.id for known in wire_contracts() if known.model_type == model_type]


def contract(contract_id: str) -> Contract:
    """The wire contract of that id; raises ContractError for an unknown one."""
    for known in wire_contracts():
        if known.id == contract_id:
            return known
    known_ids = ", ".join(known.id for known in wire_contracts())
    raise ContractError(f"there is no contract {contract_id!r}; known are {known_ids}")
