"""`/contracts`: which features a message must have."""

from apiflask import APIBlueprint
from flask import Response

from api.json_response import json_response
from api.schemas.contracts import Contract, Contracts, contract_facts
from api.security import requires
from netheal.contracts import attack_classes, wire_contracts
from netheal.errors import NotFound
from netheal.wording import quoted

contracts = APIBlueprint("contracts", __name__, tag="contracts")


@contracts.get("/contracts")
@contracts.output(Contracts)
@requires("viewer")
def list_contracts() -> Response:
    """List the shipped contracts with their features, ranges and hashes."""
    return json_response({"contracts": [contract_facts(known, attack_classes()) for known in wire_contracts()]})


@contracts.get("/contracts/<path:contract_id>")
@contracts.output(Contract)
@contracts.doc(responses=[404])
@requires("viewer")
def show_contract(contract_id: str) -> Response:
    """Show one contract; its id has a slash in it: attack/v1."""
    for known in wire_contracts():
        if known.id == contract_id:
            return json_response(contract_facts(known, attack_classes()))
    ids = ", ".join(known.id for known in wire_contracts())
    raise NotFound(f"there is no contract {quoted(contract_id)}: {ids} are")
