"""`/contracts`: which features a message must have."""

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.schemas.contracts import Contract, Contracts, contract_facts
from api.security import requires
from api.services import services
from netheal.contracts import attack_classes, contracts_in_force
from netheal.errors import NotFound
from netheal.store.model_contracts import model_contracts
from netheal.wording import quoted

contracts = APIBlueprint("contracts", __name__, tag="contracts")


@contracts.get("/contracts")
@contracts.output(Contracts)
@requires("viewer")
def list_contracts() -> Response:
    """List the contracts that rows are read for: the shipped ones, and those of the active models."""
    with services().pool.connection() as connection:
        in_force = contracts_in_force(model_contracts(connection, active=True))
    return json_response({"contracts": [contract_facts(known, attack_classes()) for known in in_force]})


@contracts.get("/contracts/<path:contract_id>")
@contracts.output(Contract)
@contracts.doc(responses=[404])
@requires("viewer")
def show_contract(contract_id: str) -> Response:
    """Show one contract, a shipped one or that of a model; its id has a slash in it: attack/v1."""
    with services().pool.connection() as connection:
        every = contracts_in_force(model_contracts(connection))
    for known in every:
        if known.id == contract_id:
            return json_response(contract_facts(known, attack_classes()))
    raise NotFound(f"there is no contract {quoted(contract_id)}: there are {', '.join(known.id for known in every)}")
