"""Feature contracts, attack classes and the identity envelope, read from the JSON files beside the code."""

from netheal.contracts.classes import AttackClasses, attack_classes
from netheal.contracts.contract import Contract, Feature, contract, wire_contracts
from netheal.contracts.envelope import envelope_spellings

__all__ = [
    "AttackClasses",
    "Contract",
    "Feature",
    "attack_classes",
    "contract",
    "envelope_spellings",
    "wire_contracts",
]
