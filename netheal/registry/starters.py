"""The starter models: they come in by the same door as anybody's upload."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netheal.bundles.intake.examine import Order
from netheal.bundles.intake.sandbox import examine_file
from netheal.bundles.served import MANIFEST_FILE, ServedBundle, read_served
from netheal.errors import BundleError
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import Reason, activate
from netheal.registry.models import Upload, add_model
from netheal.registry.validation import recorded
from netheal.store.database import Connection, transaction

_REASON = Reason("netheal", "starter model")
_CARD = "MODEL_CARD.md"
_LOCK = 0x6E657468


def import_starters(connection: Connection, artefacts: Artefacts, folder: Path) -> None:
    """Examine, register and activate a bundle below `folder` where its type has never had a model."""
    with _alone(connection):
        _import_missing(connection, artefacts, folder)


def _import_missing(connection: Connection, artefacts: Artefacts, folder: Path) -> None:
    for manifest in sorted(folder.glob(f"*/{MANIFEST_FILE}")):
        committed = read_served(manifest.parent)
        if _never_had_one(connection, committed.manifest.model_type):
            bundle, upload = examined_starter(manifest.parent, committed)
            model = add_model(connection, artefacts, bundle, upload, _REASON)
            activate(connection, model.id, _REASON)


def examined_starter(folder: Path, committed: ServedBundle) -> tuple[ServedBundle, Upload]:
    """The served form that training committed, if the bundle beside it, examined, gives the very same graph.

    The committed manifest knows more: training facts, and parity on real rows. Raises BundleError otherwise.
    """
    (source,) = folder.glob("*.joblib")
    (profile,) = folder.glob("*_profile.json")
    text = profile.read_bytes()
    manifest = committed.manifest
    examined = examine_file(source, Order(source.suffix, manifest.model_type, text, manifest.version))
    if examined.bundle is None:
        raise BundleError(f"the starter model {source.name} was refused: {examined.report.reason}")
    if examined.bundle.manifest.onnx_sha256 != manifest.onnx_sha256:
        raise BundleError(f"the starter model {source.name} is not the one its manifest was made of: train it again")
    card = folder / _CARD
    upload = Upload(
        source_name=source.name,
        source_bytes=source.stat().st_size,
        description="Starter model, trained on public data",
        profile=json.loads(text),
        validation=recorded(examined.report),
        card=card.read_text("utf-8") if card.exists() else None,
    )
    return committed, upload


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Two processes that start at once import one after the other."""
    with transaction(connection) as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (_LOCK,))
    try:
        yield
    finally:
        with transaction(connection) as cursor:
            cursor.execute("select pg_advisory_unlock(%s)", (_LOCK,))


def _never_had_one(connection: Connection, model_type: str) -> bool:
    with transaction(connection) as cursor:
        cursor.execute("select not exists (select 1 from models where model_type = %s)", (model_type,))
        return cursor.fetchone() == (True,)
