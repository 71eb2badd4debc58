"""Which contract a training takes, and what it means when the selected features are no shipped one."""

from netheal.contracts import Contract, is_wire_contract, wire_contracts
from netheal.contracts.contract import ModelType


def shipped_contract(name: str | None, model_type: ModelType) -> Contract | None:
    """The shipped contract of this name, None where no name is given; exits where there is none for the model."""
    known = {contract.id: contract for contract in wire_contracts() if contract.model_type == model_type}
    if name is not None and name not in known:
        raise SystemExit(f"there is no contract {name!r} for this model: there are {', '.join(known)}")
    return known[name] if name is not None else None


def told_of(contract: Contract) -> str:
    """What the features mean for those who want to serve the model, as a sentence."""
    if is_wire_contract(contract.hash):
        return f"these are the features of the shipped contract {contract.id}"
    shipped = ", ".join(known.id for known in wire_contracts() if known.model_type == contract.model_type)
    return (
        f"these are the features of no shipped contract ({shipped}): the bundle carries one of its own, {contract.id},"
        " and the messages that arrive must have its features before the model scores any row. Give --contract to train"
        " on a shipped one"
    )
