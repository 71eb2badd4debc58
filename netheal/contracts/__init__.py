"""Feature contracts, attack classes and the identity envelope, read from the JSON files beside the code."""

from netheal.contracts.classes import AttackClasses, attack_classes
from netheal.contracts.contract import (
    MODEL_TYPES,
    Contract,
    Feature,
    ModelType,
    contract,
    is_wire_contract,
    wire_contract_ids,
    wire_contracts,
)
from netheal.contracts.envelope import envelope_spellings

__all__ = [
    "MODEL_TYPES",
    "AttackClasses",
    "Contract",
    "Feature",
    "ModelType",
    "attack_classes",
    "contract",
    "envelope_spellings",
    "is_wire_contract",
    "wire_contract_ids",
    "wire_contracts",
]
