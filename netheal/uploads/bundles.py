"""A model bundle that somebody hands in: examined, compared with what is active, and kept if it is good."""

import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netheal.bundles.intake.examine import Examined, Order
from netheal.bundles.intake.sandbox import examine_file
from netheal.bundles.served import ServedBundle
from netheal.errors import BundleError, Conflict, ModelFailure
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import Reason
from netheal.registry.models import Upload, add_model
from netheal.registry.records import ModelRecord, active_model
from netheal.registry.validation import recorded, told
from netheal.scoring.model import ServedModel
from netheal.store.pool import Pool
from netheal.store.recent_rows import recent_rows
from netheal.verdicts.comparison import columns_of, compare

COMPARED_ROWS = 5_000
_TURN_S = 120.0
_TURNS = threading.BoundedSemaphore(2)
"""An examination may take a core and a gigabyte: a third one waits."""


@dataclass(frozen=True)
class Registry:
    """Where models are kept, and where the rows are that a new one is tried on."""

    pool: Pool
    artefacts: Artefacts
    delta_root: str


class BundleRefused(BundleError):
    """The examination found something; `validation` is its whole report."""

    def __init__(self, reason: str, validation: dict[str, Any]) -> None:
        super().__init__(f"the bundle was refused: {reason}")
        self.validation = validation


def take_in(registry: Registry, source: Path, order: Order, upload: Upload, reason: Reason) -> ModelRecord:
    """Examine the file and keep its served form; the new model's record. Raises BundleRefused."""
    examined = _in_turn(source, order)
    if examined.bundle is None:
        raise BundleRefused(examined.report.reason, told(examined.report))
    compared = _compared(registry, examined.bundle)
    if "failure" in compared:
        raise BundleRefused(f"it fails on stored rows: {compared['failure']}", told(examined.report))
    validation = recorded(examined.report)
    validation["figures"]["against_active"] = compared
    profile = json.loads(order.profile) if order.profile is not None else None
    complete = replace(upload, profile=profile, validation=validation)
    with registry.pool.connection() as connection:
        return add_model(connection, registry.artefacts, examined.bundle, complete, reason)


def _in_turn(source: Path, order: Order) -> Examined:
    if not _TURNS.acquire(timeout=_TURN_S):
        raise Conflict("other bundles are being examined: try again in a minute")
    try:
        return examine_file(source, order)
    finally:
        _TURNS.release()


def _compared(registry: Registry, bundle: ServedBundle) -> dict[str, Any]:
    """How the model differs from the active one of its type on stored rows, as figures and as a sentence."""
    with registry.pool.connection() as connection:
        record = active_model(connection, bundle.manifest.model_type)
    if record is None:
        return {"text": "no model of this type is active: there is nothing to compare with"}
    try:
        active = ServedModel(registry.artefacts.get(record.bundle_hash))
    except BundleError as error:
        return {"text": f"the active model cannot be read: {error}"}
    model = ServedModel(bundle)
    columns = sorted({*columns_of(model), *columns_of(active)})
    rows = recent_rows(registry.delta_root, columns, COMPARED_ROWS)
    try:
        found = compare(model, active, rows)
    except ModelFailure as failure:
        if failure.bundle_hash == bundle.hash:
            return {"failure": failure.message}
        return {"text": f"the active model fails on stored rows: {failure.message}"}
    text = f"differs from the active model {record.model_version} on {found.differing} of {found.rows} stored rows"
    return {"active": record.model_version, "rows": found.rows, "differing": found.differing, "text": text}
