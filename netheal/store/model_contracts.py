"""The contracts of registered models, which need not be shipped ones."""

from collections.abc import Sequence
from contextlib import suppress

from netheal.contracts import Contract
from netheal.contracts.contract import parse_contract
from netheal.errors import ContractError
from netheal.store.database import Connection, transaction


def model_contracts(
    connection: Connection, active: bool = False, bundle_hashes: Sequence[str | None] | None = None
) -> list[Contract]:
    """The contracts of all models, of those that score now, or of those with these hashes.

    One that cannot be read is left out.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "select distinct manifest -> 'contract' from models"
            " where (not %(active)s or state = 'active')"
            " and (%(hashes)s::text[] is null or bundle_hash = any(%(hashes)s::text[]))",
            {"active": active, "hashes": None if bundle_hashes is None else list(bundle_hashes)},
        )
        documents = [document for (document,) in cursor.fetchall()]
    found = []
    for document in documents:
        with suppress(ContractError):
            found.append(parse_contract(document))
    return found
