"""The contract of a model: a shipped one, or one of its own, of features that are known or that its maker declares."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from netheal.contracts.catalogue import known_features
from netheal.contracts.contract import Contract, ModelType, wire_contracts
from netheal.contracts.declared_features import EXAMPLE, declared_column
from netheal.contracts.feature import Feature
from netheal.contracts.spelling import header_key
from netheal.errors import ContractError
from netheal.wording import listed, quoted

_PREFIX: dict[ModelType, str] = {"threat_detector": "threat", "attack_classifier": "attack"}
_HASH_DIGITS = 8
_MOST_RESPELLED = 3


def contract_for(
    names: Sequence[str], model_type: ModelType, declared: Mapping[str, Feature] | None = None
) -> Contract:
    """The shipped contract with exactly these features in this order, or else one of the model's own.

    `declared` are features that nobody else knows, by name, as `declared_features` gives them. The own contract's id
    ends in eight digits of its hash. Raises ContractError for features that are neither known nor declared.
    """
    same_type = [known for known in wire_contracts() if known.model_type == model_type]
    for shipped in same_type:
        if shipped.names == tuple(names):
            return shipped
    if len(set(names)) != len(names) or not names:
        raise ContractError("a model needs features, each of them once")
    described = {**(declared or {}), **known_features()}
    unknown = [name for name in names if name not in described]
    if unknown:
        raise ContractError(_how_to_declare(unknown))
    features = tuple(described[name] for name in names)
    own = Contract("", model_type, same_type[0].infinite, features)
    return replace(own, id=f"{_PREFIX[model_type]}/{own.hash[:_HASH_DIGITS]}")


def is_readable(contract: Contract) -> bool:
    """Whether rows can be read for a contract: its features are known, or stored as declared ones."""
    return all(
        known_features()[feature.name].column == feature.column
        if feature.name in known_features()
        else feature.column == declared_column(feature.name)
        for feature in contract.features
    )


def _how_to_declare(names: Sequence[str]) -> str:
    by_key = {header_key(s): f.name for f in known_features().values() for s in f.spellings}
    respelled = [(name, by_key[header_key(name)]) for name in names if header_key(name) in by_key]
    told = "; ".join(f"{quoted(name)} is spelled {quoted(known)}" for name, known in respelled[:_MOST_RESPELLED])
    return (
        f"the model's features {listed(names)} are known neither from NSL-KDD nor from CIC-IDS2017"
        f"{f' ({told}: leading spaces count)' if told else ''}: train with the known names, or declare each of them in"
        f' the profile, under "feature_definitions", such as {{{quoted(names[0])}: {EXAMPLE}}}'
    )
