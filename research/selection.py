"""Which contract a training takes, and what it means when the selected features are no shipped one."""

from collections.abc import Mapping, Sequence

from netheal.contracts import Contract, Feature, is_wire_contract, wire_contracts
from netheal.contracts.contract import ModelType
from netheal.contracts.own_contract import contract_for
from netheal.errors import ContractError
from netheal.wording import listed


def shipped_contract(name: str | None, model_type: ModelType) -> Contract | None:
    """The shipped contract of this name, None where no name is given; exits where there is none for the model."""
    known = {contract.id: contract for contract in wire_contracts() if contract.model_type == model_type}
    if name is not None and name not in known:
        raise SystemExit(f"there is no contract {name!r} for this model: there are {', '.join(known)}")
    return known[name] if name is not None else None


def selected_contract(names: Sequence[str], model_type: ModelType, declared: Mapping[str, Feature]) -> Contract:
    """The contract with these features in this order; exits where one is neither known nor declared."""
    try:
        return contract_for(names, model_type, declared)
    except ContractError as error:
        raise SystemExit(f"{error}, and give the file of that object to --feature-definitions") from error


def told_of(contract: Contract) -> str:
    """What the features mean for those who want to serve the model, as a sentence."""
    if is_wire_contract(contract.hash):
        return f"these are the features of the shipped contract {contract.id}"
    same_type = [known for known in wire_contracts() if known.model_type == contract.model_type]
    nearest = max(same_type, key=lambda known: len({*known.names} & {*contract.names}))
    more = [name for name in contract.names if name not in nearest.names]
    fewer = [name for name in nearest.names if name not in contract.names]
    changes = [f"{verb} {listed(names)}" for verb, names in (("adds", more), ("lacks", fewer)) if names]
    differs = " and ".join(changes) or "has another order"
    return (
        f"these are the features of no shipped contract ({', '.join(known.id for known in same_type)}): the bundle"
        f" carries one of its own, {contract.id}, which {differs}, compared with {nearest.id}. Once the model is"
        " active, it scores the messages that have all of its features; sensors that send those of the shipped"
        " contract alone get no verdict from it. Give --contract to train on a shipped one"
    )
