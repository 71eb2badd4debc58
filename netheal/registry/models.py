"""The registry's rows: which models there are, and which one is active for each type."""

from dataclasses import dataclass
from pathlib import Path

from psycopg2.extras import Json

from netheal.bundles.served import ServedBundle, read_served
from netheal.registry.artefacts import Artefacts
from netheal.store.database import Connection, transaction
from netheal.telemetry import emit


@dataclass(frozen=True)
class ActiveModel:
    """The model that is active for its type."""

    model_type: str
    version: str
    bundle_hash: str
    contract_id: str


def active_models(connection: Connection) -> list[ActiveModel]:
    """The active models, at most one a type."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select model_type, version, bundle_hash, manifest -> 'contract' ->> 'id' from models"
            " where state = 'active' order by model_type"
        )
        return [ActiveModel(*row) for row in cursor.fetchall()]


def import_starters(connection: Connection, artefacts: Artefacts, folder: Path) -> None:
    """Register the bundles below `folder`; one is activated where its type has never had a model."""
    for manifest in sorted(folder.glob("*/manifest.json")):
        _register(connection, artefacts, read_served(manifest.parent))


def _register(connection: Connection, artefacts: Artefacts, bundle: ServedBundle) -> None:
    artefacts.put(bundle)
    manifest = bundle.manifest
    with transaction(connection) as cursor:
        cursor.execute("lock table models in share row exclusive mode")
        cursor.execute(
            "insert into models (model_type, version, state, bundle_hash, manifest)"
            " select %(type)s, %(version)s, case when exists"
            " (select 1 from models where model_type = %(type)s) then 'validated' else 'active' end,"
            " %(hash)s, %(manifest)s on conflict do nothing",
            {
                "type": manifest.model_type,
                "version": manifest.version,
                "hash": bundle.hash,
                "manifest": Json(None, dumps=lambda _: manifest.to_json().decode()),
            },
        )
        added = cursor.rowcount == 1
    if added:
        emit("model.imported", model_type=manifest.model_type, version=manifest.version, hash=bundle.hash)
