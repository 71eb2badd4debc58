"""The models that score a flow file: those that are active when it comes, as for a micro-batch."""

from collections.abc import Collection, Sequence

from netheal.contracts import Contract
from netheal.errors import ModelFailure
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import changes, mark_failed
from netheal.registry.models import ActiveModel, active_models
from netheal.scoring.loaded import LoadedModels
from netheal.scoring.model import ServedModel
from netheal.store.database import transaction
from netheal.store.pool import Pool
from netheal.telemetry import emit
from netheal.uploads.refusal import FileRefused

_IDLE_S = 60.0


class ActiveModels:
    """Asks the registry each time, and loads a model once a process; for any number of threads."""

    def __init__(self, pool: Pool, artefacts: Artefacts) -> None:
        self._pool = pool
        self._artefacts = artefacts
        self._loaded = LoadedModels(_IDLE_S)

    def now(self, failed: Collection[str] = ()) -> list[ActiveModel]:
        """The active models but those of these bundle hashes; what is not active any more is forgotten."""
        with self._pool.connection() as connection, transaction(connection) as cursor:
            found = active_models(cursor, without=failed)
        self._loaded.keep({model.bundle_hash for model in found})
        return found

    def load(self, bundle_hash: str) -> ServedModel:
        """One of them; raises ModelFailure where its artefact is gone or was altered."""
        return self._loaded.get(bundle_hash, lambda: self._artefacts.load(bundle_hash))

    def forget(self, bundle_hashes: Collection[str]) -> None:
        """Give back the memory of models that are not active any more."""
        self._loaded.forget(bundle_hashes)

    def mark_failed(self, failure: ModelFailure) -> None:
        """Deactivate a model that failed on real rows; the one before it comes back."""
        with self._pool.connection() as connection, changes(connection) as cursor:
            mark_failed(cursor, failure.bundle_hash, failure.message)
        emit("model.failed", hash=failure.bundle_hash, reason=failure.message)


def require_model(contracts: Sequence[Contract], models: Sequence[ActiveModel]) -> None:
    """Raise FileRefused where none of the contracts that a file has the columns of has an active model."""
    if {contract.id for contract in contracts} & {model.contract_id for model in models}:
        return
    types = sorted({contract.model_type for contract in contracts})
    ids = [contract.id for contract in contracts]
    raise FileRefused(
        "no_active_model",
        f"the file has the columns of {', '.join(ids)}, and no model for that is active: activate a"
        f" {' or '.join(types)} that takes it, then upload the file again",
        {"contracts": ids, "model_types": types},
    )
