"""The starter models: they come in by the same door as anybody's upload."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import netheal.bundles
import netheal.contracts
from netheal.background_task import BackgroundTask
from netheal.bundles.intake.examine import ExaminationRequest
from netheal.bundles.intake.sandbox import examine_file
from netheal.bundles.served import MANIFEST_FILE, Manifest, ServedBundle, read_served
from netheal.contracts.contract import MODEL_TYPES
from netheal.errors import BundleError, ServiceUnavailable
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate
from netheal.registry.models import Upload, add_model
from netheal.registry.validation_report import recorded_report
from netheal.store.database import Connection, transaction

_REASON = ChangeReason("netheal", "starter model")
_CARD = "MODEL_CARD.md"
_LIBRARIES = ("numpy", "onnx", "onnxruntime")
_WALL_S = 600.0
"""Only a machine that hardly runs takes so long for files of our own; what they compute is bounded anyway."""
_LOCK = 0x6E657468


def import_starters(connection: Connection, artefacts: Artefacts, folder: Path, cache: Path | None = None) -> None:
    """Examine, register and activate the starter of a type below `folder` where the type has never had a model.

    `cache` is a folder of our own for what the examinations found, see `examine_starters`.
    """
    with _alone(connection):
        _import_missing(connection, artefacts, folder, cache)


def examine_starters(folder: Path, cache: Path) -> None:
    """Examine the starters below `folder` now, unless the cache has what was found of this version of them.

    An examination is of a file by our code: the cache names both by their content, and is written by nobody else.
    Raises BundleError where one is refused, ServiceUnavailable where the machine could not examine it now.
    """
    examinations = []
    for starter in starter_folders(folder):
        examine = partial(_report_of, starter, read_served(starter).manifest, cache)
        examinations.append(BackgroundTask(f"examination of {starter.name}", examine))
    for examination in examinations:
        examination.result()


def _import_missing(connection: Connection, artefacts: Artefacts, folder: Path, cache: Path | None) -> None:
    for starter in starter_folders(folder):
        committed = read_served(starter)
        if _never_had_one(connection, committed.manifest.model_type):
            bundle, upload = examined_starter(starter, committed, cache)
            with _source(starter)[0].open("rb") as original:
                model = add_model(connection, artefacts, bundle, replace(upload, original=original), _REASON)
            activate(connection, model.id, _REASON)


def starter_folders(folder: Path) -> list[Path]:
    """The bundle of each type that starts active: the folder that bears the type's name. Others are for uploading."""
    return [folder / name for name in sorted(MODEL_TYPES) if (folder / name / MANIFEST_FILE).is_file()]


def examined_starter(folder: Path, committed: ServedBundle, cache: Path | None = None) -> tuple[ServedBundle, Upload]:
    """The served form that training committed, if the bundle beside it, examined, gives the very same graph.

    The committed manifest knows more: training facts, and parity on real rows. Raises BundleError otherwise.
    """
    source, text = _source(folder)
    card = folder / _CARD
    upload = Upload(
        source_name=source.name,
        source_bytes=source.stat().st_size,
        description="Starter model, trained on public data",
        profile=json.loads(text),
        validation=_report_of(folder, committed.manifest, cache),
        card=card.read_text("utf-8") if card.exists() else None,
    )
    return committed, upload


def _source(folder: Path) -> tuple[Path, bytes]:
    """The bundle of a folder, and its profile."""
    (source,) = folder.glob("*.joblib")
    (profile,) = folder.glob("*_profile.json")
    return source, profile.read_bytes()


def _report_of(folder: Path, manifest: Manifest, cache: Path | None) -> dict[str, Any]:
    """The report of an examination that gave the graph of this manifest; raises BundleError where none does.

    Raises ServiceUnavailable where the machine was too busy, or short of something, for an examination.
    """
    source, text = _source(folder)
    note = cache / f"{_version_of(source, text, manifest)}.json" if cache is not None else None
    if note is not None:
        with suppress(OSError, ValueError):
            return dict(json.loads(note.read_text("utf-8")))
    examined = examine_file(
        source, ExaminationRequest(source.suffix, manifest.model_type, text, manifest.version), _WALL_S
    )
    if examined.interrupted:
        raise ServiceUnavailable(f"the starter model {source.name} is not examined yet: {examined.report.reason}")
    if examined.bundle is None:
        raise BundleError(f"the starter model {source.name} was refused: {examined.report.reason}")
    if examined.bundle.manifest.onnx_sha256 != manifest.onnx_sha256:
        raise BundleError(f"the starter model {source.name} is not the one its manifest was made of: train it again")
    report = recorded_report(examined.report)
    if note is not None:
        _keep(note, report)
    return report


def _version_of(source: Path, profile: bytes, manifest: Manifest) -> str:
    """A digest of everything that an examination's outcome depends on: the file, what is asked, and our code."""
    digest = hashlib.sha256(json.dumps([manifest.model_type, manifest.version, manifest.onnx_sha256]).encode())
    for content in (source.read_bytes(), profile):
        digest.update(hashlib.sha256(content).digest())
    for package in (netheal.bundles, netheal.contracts):
        for file in sorted(Path(package.__path__[0]).rglob("*.*")):
            if file.suffix in (".py", ".json"):
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update("".join(version(library) for library in _LIBRARIES).encode())
    return digest.hexdigest()


def _keep(note: Path, report: dict[str, Any]) -> None:
    """Whole or not at all; a disk that is full costs another examination."""
    fresh = note.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_text(json.dumps(report), "utf-8")
            fresh.replace(note)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


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
