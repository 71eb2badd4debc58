"""A model bundle that somebody hands in: examined, compared with what is active, and kept if it is good."""

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

from netheal.bundles.intake.examine import ExaminationRequest
from netheal.bundles.intake.sandbox import examine_stream
from netheal.bundles.served import ServedBundle
from netheal.errors import BundleError, Conflict, ModelFailure, ServiceUnavailable
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason
from netheal.registry.models import (
    AlreadyUploaded,
    Quota,
    Upload,
    add_model,
    keep_missing_original,
    require_new,
    require_quota,
)
from netheal.registry.originals import sha256_of
from netheal.registry.records import ModelRecord, active_model
from netheal.registry.validation_report import recorded_report, report_document
from netheal.store.database import Cursor, transaction
from netheal.store.pool import Pool
from netheal.uploads.compare_with_active import compare

_TURN_S = 120.0
_TURNS = threading.BoundedSemaphore(2)
"""An examination may take a core and a gigabyte: a third one waits."""


@dataclass(frozen=True)
class Registry:
    """Where models are kept and how many, and where the rows are that a new one is tried on."""

    pool: Pool
    artefacts: Artefacts
    delta_root: str
    quota: Quota


class BundleRefused(BundleError):
    """The examination found something; `validation` is its whole report."""

    def __init__(self, reason: str, validation: dict[str, Any]) -> None:
        super().__init__(f"the bundle was refused: {reason}")
        self.validation = validation


def store_bundle(
    registry: Registry, source: IO[bytes], examination: ExaminationRequest, upload: Upload, reason: ChangeReason
) -> ModelRecord:
    """Examine the file, keep it and its served form; the new model's record.

    Raises BundleRefused, AlreadyUploaded where the same file is a model already, or Conflict where there are models
    enough or others are being examined.
    """
    with registry.pool.connection() as connection:
        try:
            with transaction(connection) as cursor:
                _require_new(cursor, registry.artefacts, source, examination)
        except AlreadyUploaded as same:
            keep_missing_original(connection, registry.artefacts, same.model, source)
            raise
        require_quota(connection, registry.artefacts, registry.quota)
    with _as_file(source) as file:
        bundle, validation = _examined(registry, file, examination)
        profile = json.loads(examination.profile) if examination.profile is not None else None
        complete = replace(upload, profile=profile, validation=validation, original=file)
        with registry.pool.connection() as connection:
            return add_model(connection, registry.artefacts, bundle, complete, reason, registry.quota)


def _require_new(cursor: Cursor, artefacts: Artefacts, source: IO[bytes], examination: ExaminationRequest) -> None:
    """Raises AlreadyUploaded for what came before; it would pass the examination again, and be the same model."""
    try:
        profile = json.loads(examination.profile or b"null")
    except (ValueError, RecursionError):  # which the examination refuses
        return
    if examination.profile is None or isinstance(profile, dict):
        require_new(cursor, artefacts, examination.model_type, sha256_of(source), profile)


def _examined(
    registry: Registry, file: IO[bytes], examination: ExaminationRequest
) -> tuple[ServedBundle, dict[str, Any]]:
    """The served form of a good file, and the report that is kept of it; raises BundleRefused."""
    with _examination_slot():
        examined = examine_stream(file, examination)
        if examined.bundle is None:
            raise BundleRefused(examined.report.reason, report_document(examined.report))
        try:
            compared = _compared(registry, examined.bundle)
        except BundleError as failure:
            raise BundleRefused(str(failure), report_document(examined.report)) from failure
    validation = recorded_report(examined.report)
    validation["figures"]["against_active"] = compared
    return examined.bundle, validation


@contextmanager
def _as_file(source: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself where it has a descriptor, which a process can be given; else a copy that has one."""
    try:
        source.fileno()
    except OSError:  # it is small, and was kept in memory
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            yield copy
    else:
        source.flush()
        yield source


@contextmanager
def _examination_slot() -> Iterator[None]:
    """While this process may have a foreign file examined; raises Conflict where others take too long."""
    if not _TURNS.acquire(timeout=_TURN_S):
        raise Conflict("other bundles are being examined: try again in a minute")
    try:
        yield
    finally:
        _TURNS.release()


def _compared(registry: Registry, bundle: ServedBundle) -> dict[str, Any]:
    """How the model differs from the active one of its type on stored rows, as figures and as a sentence."""
    with registry.pool.connection() as connection:
        record = active_model(connection, bundle.manifest.model_type)
    if record is None:
        return {"text": "no model of this type is active: there is nothing to compare with"}
    try:
        found = compare(bundle, registry.artefacts.get(record.bundle_hash), registry.delta_root)
    except BundleError as error:
        return {"text": f"the active model cannot be read: {error}"}
    except ModelFailure as failure:
        if failure.bundle_hash == bundle.hash:
            raise BundleError(f"it fails on stored rows: {failure.message}") from failure
        return {"text": f"the active model fails on stored rows: {failure.message}"}
    except ServiceUnavailable as error:
        return {"text": f"it was not compared with the active model {record.model_version}: {error}"}
    if not found.rows:
        return {"text": "no stored row has the features of both models: there is nothing to compare it on"}
    text = f"differs from the active model {record.model_version} on {found.differing} of {found.rows} stored rows"
    return {"active": record.model_version, "rows": found.rows, "differing": found.differing, "text": text}
