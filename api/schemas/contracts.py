"""What the API says of contracts: the shipped ones, and those of models."""

import math
from typing import Any

from apiflask import Schema
from apiflask.fields import Boolean, Float, Integer, List, Nested, String
from apiflask.validators import OneOf

from netheal.contracts import AttackClasses, is_wire_contract
from netheal.contracts import Contract as FeatureContract


class Feature(Schema):
    """A model input; both ends of the range belong to it, a `maximum` of null is none."""

    name = String(required=True, metadata={"description": "Exact, leading spaces and all"})
    column = String(required=True, metadata={"description": "Its name in stored tables"})
    minimum = Float(required=True)
    maximum = Float(required=True, allow_none=True)
    category = Boolean(required=True, metadata={"description": "It may come as a string"})
    unit = String(required=True, metadata={"description": "Empty where it has none, `us` are microseconds"})
    meaning = String(required=True)


class AttackClass(Schema):
    """What an attack classifier can answer."""

    id = Integer(required=True)
    name = String(required=True)
    benign = Boolean(required=True)


class Contract(Schema):
    """The features of a kind of model, in order; `classes` are null for a threat detector."""

    id = String(required=True)
    model_type = String(required=True)
    shipped = Boolean(required=True, metadata={"description": "False: it is a model's own"})
    infinite = String(required=True, validate=OneOf(("zero", "reject")))
    hash = String(required=True)
    features = List(Nested(Feature), required=True)
    classes = List(Nested(AttackClass), required=True, allow_none=True)


class Contracts(Schema):
    """The contracts that messages on the input topic can fit."""

    contracts = List(Nested(Contract), required=True)


def contract_facts(contract: FeatureContract, classes: AttackClasses) -> dict[str, Any]:
    """A contract as `Contract`."""
    named = [{"id": at, "name": name, "benign": name == classes.benign} for at, name in enumerate(classes.names)]
    return {
        "id": contract.id,
        "model_type": contract.model_type,
        "shipped": is_wire_contract(contract.hash),
        "infinite": contract.infinite,
        "hash": contract.hash,
        "features": [
            {
                "name": feature.name,
                "column": feature.column,
                "minimum": feature.minimum,
                "maximum": feature.maximum if math.isfinite(feature.maximum) else None,
                "category": feature.category,
                "unit": feature.unit,
                "meaning": feature.meaning,
            }
            for feature in contract.features
        ],
        "classes": named if contract.model_type == "attack_classifier" else None,
    }
