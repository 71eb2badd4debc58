"""Feature contracts, attack classes and the identity envelope, read from the JSON files beside the code."""

from netheal.contracts.catalogue import known_features
from netheal.contracts.classes import AttackClasses, attack_classes
from netheal.contracts.contract import (
    MODEL_TYPES,
    Contract,
    ModelType,
    contract,
    contracts_in_force,
    is_wire_contract,
    wire_contract_ids,
    wire_contracts,
)
from netheal.contracts.envelope import envelope_spellings
from netheal.contracts.feature import Feature

__all__ = [
    "MODEL_TYPES",
    "AttackClasses",
    "Contract",
    "Feature",
    "ModelType",
    "attack_classes",
    "contract",
    "contracts_in_force",
    "envelope_spellings",
    "is_wire_contract",
    "known_features",
    "wire_contract_ids",
    "wire_contracts",
]
