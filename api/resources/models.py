"""`/models`: what the registry has, and every change of it."""

from collections.abc import Callable, Sequence
from functools import partial
from os import SEEK_END
from pathlib import PurePath
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request, send_file
from werkzeug.datastructures import FileStorage

from api.errors import Refusal
from api.paging import BY_ID, read_page
from api.schemas.models import (
    Card,
    DeleteQuery,
    History,
    Model,
    ModelChange,
    ModelQuery,
    Models,
    Profile,
    ReasonBody,
    Storage,
    UploadedModel,
    UploadForm,
    change_document,
    event_document,
    model_document,
)
from api.security import actor, body_limit, requires, upload_rate
from api.services import services
from netheal.bundles.intake.examine import SUFFIXES, ExaminationRequest
from netheal.bundles.intake.limits import FILE_BYTES, MEGABYTE, PROFILE_BYTES
from netheal.contracts import MODEL_TYPES
from netheal.errors import BundleError, NotFound
from netheal.registry.changes import Change, ChangeReason, activate, deactivate, delete, rollback
from netheal.registry.models import AlreadyUploaded, Quota, Upload
from netheal.registry.records import ModelRecord, active_model, count_models, get_model, list_models, model_history
from netheal.uploads.bundles import BundleRefused, Registry, store_bundle
from netheal.wording import quoted

models = APIBlueprint("models", __name__, tag="models")
Document = dict[str, Any]
_NAME_CHARS = 200
_OCTETS = "application/octet-stream"
_NOTE = "A bundle is a program: only load it if you trust whoever made it."
_BUNDLE_ANSWERS: dict[int | str, Any] = {
    200: {
        "description": f"The file. {_NOTE}",
        "content": {_OCTETS: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {"X-Netheal-Note": {"schema": {"type": "string"}, "description": _NOTE}},
    },
    404: {"description": "There is no such model, or its file was not kept or was deleted with it"},
}
_KNOWN_ANSWER: dict[int | str, Any] = {
    200: {
        "description": "It came before: the model that is there",
        "content": {"application/json": {"schema": UploadedModel}},
    }
}


@models.get("/models/")
@models.input(ModelQuery, location="query")
@models.output(Models)
@requires("viewer")
def list_all(query_data: Document) -> Document:
    """List models, newest first."""
    chosen = query_data.get("model_type"), query_data["deleted"]
    with services().pool.connection() as connection:
        page = read_page(query_data, BY_ID, partial(list_models, connection, *chosen))
        total = count_models(connection, *chosen)
    return page.document("models", model_document, total=total)


@models.get("/models/<int:model_id>")
@models.output(Model)
@requires("viewer")
def show(model_id: int) -> Document:
    """Show one model."""
    with services().pool.connection() as connection:
        return model_document(get_model(connection, _known(model_id)))


@models.get("/models/<int:model_id>/history")
@models.output(History)
@requires("viewer")
def history(model_id: int) -> Document:
    """Show who changed a model, when, from what to what, and why."""
    with services().pool.connection() as connection:
        events = model_history(connection, _known(model_id))
    return {"model_id": model_id, "events": [event_document(event) for event in events]}


@models.get("/models/<int:model_id>/card")
@models.output(Card)
@requires("viewer")
def card(model_id: int) -> Document:
    """Show the model card, where one came with the bundle."""
    with services().pool.connection() as connection:
        text = get_model(connection, _known(model_id)).card
    if text is None:
        raise NotFound(f"model {model_id} came without a model card")
    return {"model_id": model_id, "card": text}


@models.get("/models/profile/<model_type>")
@models.output(Profile)
@requires("viewer")
def profile(model_type: str) -> Document:
    """Show what the active model of a type expects."""
    with services().pool.connection() as connection:
        record = active_model(connection, _known_type(model_type))
    if record is None:
        raise NotFound(f"no {model_type} is active: activate one")
    told = record.profile or {}
    return {
        "model_type": model_type,
        "model_id": record.id,
        "model_version": record.model_version,
        "expected_features": record.expected_features,
        "class_labels": record.class_labels,
        "preprocessing_notes": told.get("preprocessing_notes"),
        "preprocessing_pipeline": told.get("preprocessing_pipeline"),
    }


@models.get("/models/stats/storage")
@models.output(Storage)
@requires("viewer")
def storage() -> Document:
    """Show how many models there are, and what they take on disk."""
    with services().pool.connection() as connection:
        found = list_models(connection, with_deleted=True)
    sizes = _bytes_on_disk(found)
    by_type: dict[str, Document] = {name: {"models": 0, "bytes": 0} for name in MODEL_TYPES}
    by_state: dict[str, int] = {}
    for record in found:
        by_type[record.model_type]["models"] += 1
        by_type[record.model_type]["bytes"] += sizes[record.id]
        by_state[record.state] = by_state.get(record.state, 0) + 1
    return {
        "total_models": len(found),
        "total_bytes": sum(sizes.values()),
        "by_type": by_type,
        "by_state": by_state,
        "newest_upload": max((record.created_at for record in found), default=None),
    }


def _bytes_on_disk(found: Sequence[ModelRecord]) -> dict[int, int]:
    """What each model takes; a file that several were made of is counted with the first of them."""
    artefacts, counted, sizes = services().artefacts, set(), {}
    for record in found:
        sizes[record.id] = artefacts.size_bytes(record.bundle_hash)
        if (sha256 := record.source_sha256) is not None and sha256 not in counted:
            counted.add(sha256)
            sizes[record.id] += artefacts.originals.size_bytes(sha256)
    return sizes


@models.get("/models/<int:model_id>/bundle")
@models.doc(responses=_BUNDLE_ANSWERS)
@requires("operator")
def bundle(model_id: int) -> Response:
    """Download the file that a model was made of, as it was handed in.

    A bundle is a program: only load it if you trust whoever made it. netheal itself reads bundles without executing
    them, and so does `netheal models validate`.
    """
    with services().pool.connection() as connection:
        record = get_model(connection, _known(model_id))
    if record.artefact_deleted_at is not None:
        raise NotFound(f"model {model_id} was deleted, and its bundle with it")
    try:
        originals = services().artefacts.originals
        kept = originals.open(record.source_sha256 or "")
    except BundleError as error:
        raise NotFound(f"model {model_id} has no bundle to download: {error}") from error
    name = record.source_name or f"model-{model_id}"
    response = send_file(kept, _OCTETS, as_attachment=True, download_name=name, conditional=False)
    response.content_length = originals.size_bytes(record.source_sha256 or "")
    response.headers.update({"X-Netheal-Note": _NOTE, "Cache-Control": "no-store"})
    return response


@models.post("/models/upload")
@body_limit(FILE_BYTES + 2 * MEGABYTE)
@upload_rate
@requires("operator")
@models.input(UploadForm, location="form_and_files")
@models.output(UploadedModel, status_code=201)
@models.doc(responses=_KNOWN_ANSWER)
def upload(form_and_files_data: Document) -> tuple[Document, int]:
    """Hand in a bundle: it is examined without being executed, and kept, not active yet, if it is good.

    The same file, with the same profile and type, is one model, however often it comes: nothing changes then.
    """
    file: FileStorage = form_and_files_data["file"]
    name = _shown_name(file.filename)
    examination = ExaminationRequest(
        PurePath(name).suffix.lower(), form_and_files_data["model_type"], _text_of("profile_config")
    )
    if examination.suffix not in SUFFIXES:
        raise Refusal(422, "bundle_refused", f"the file's name must end in {', '.join(SUFFIXES)}")
    at = services()
    quota = Quota(at.settings.models.max, at.settings.models.max_bytes)
    registry = Registry(at.pool, at.artefacts, at.settings.paths.delta_root, quota)
    size = file.stream.seek(0, SEEK_END)
    file.stream.seek(0)
    told = Upload(name, size, form_and_files_data["description"], card=_card())
    try:
        model = store_bundle(registry, file.stream, examination, told, ChangeReason(actor(), "uploaded"))
        return _uploaded(model, f"{model.model_version} is in the registry, not active yet: activate it"), 201
    except AlreadyUploaded as same:
        name = f"{same.model.model_version} (model {same.model.id}, {same.model.state})"
        return _uploaded(same.model, f"Already uploaded as {name}: nothing changed"), 200
    except BundleRefused as refused:
        details = {"validation_results": refused.validation}
        raise Refusal(422, "bundle_refused", str(refused), details) from refused


@models.post("/models/<int:model_id>/activate")
@requires("operator")
@models.input(ReasonBody, location="json_or_form")
@models.output(ModelChange)
def activate_one(model_id: int, json_or_form_data: Document) -> Document:
    """Make a model the active one of its type: the API uses it at once, every job at its next batch."""
    return _changed("activated", activate, _known(model_id), ChangeReason(actor(), json_or_form_data["why"]))


@models.post("/models/<int:model_id>/deactivate")
@requires("operator")
@models.input(ReasonBody, location="json_or_form")
@models.output(ModelChange)
def deactivate_one(model_id: int, json_or_form_data: Document) -> Document:
    """Have no active model of its type: rows that need one go to quarantine until another is activated."""
    return _changed("deactivated", deactivate, _known(model_id), ChangeReason(actor(), json_or_form_data["why"]))


@models.post("/models/rollback/<model_type>")
@requires("operator")
@models.input(ReasonBody, location="json_or_form")
@models.output(ModelChange)
def rollback_type(model_type: str, json_or_form_data: Document) -> Document:
    """Activate the model that was active before the present one."""
    return _changed(
        "activated again", rollback, _known_type(model_type), ChangeReason(actor(), json_or_form_data["why"])
    )


@models.delete("/models/<int:model_id>")
@requires("operator")
@models.input(DeleteQuery, location="query")
@models.output(ModelChange)
def delete_one(model_id: int, query_data: Document) -> Document:
    """Delete a model that is not active; its record and history stay."""
    artefacts = services().artefacts if query_data["delete_file"] else None
    return _changed("deleted", delete, _known(model_id), ChangeReason(actor()), artefacts)


def _uploaded(model: ModelRecord, message: str) -> Document:
    return {**model_document(model), "message": message}


def _changed(what: str, change_by: Callable[..., Change], *arguments: Any) -> Document:
    with services().pool.connection() as connection:
        change = change_by(connection, *arguments)
    model = change.model
    # Of what the change itself says: to ask Postgres once more could fail, and the change is made.
    services().flows.forget_models([m.bundle_hash for m in (model, change.replaced) if m and not m.is_active])
    done = what if change.made else f"is {model.state} already: nothing changed"
    return change_document(f"Model {model.id} ({model.model_version}) {done}", change)


def _known(model_id: int) -> int:
    """Ids are bigints; a larger number is no model's."""
    if model_id >= 2**63:
        raise NotFound(f"there is no model {model_id}")
    return model_id


def _known_type(model_type: str) -> str:
    if model_type not in MODEL_TYPES:
        raise NotFound(f"there is no model type {quoted(model_type)}: {' and '.join(MODEL_TYPES)} are")
    return model_type


def _shown_name(name: str | None) -> str:
    """A client's file name, for people to read; it never becomes a path."""
    printable = "".join(char for char in PurePath(name or "").name if char.isprintable())
    return printable[-_NAME_CHARS:]


def _text_of(name: str) -> bytes | None:
    """A file of the form, or a field of it; none where it is empty. Of one too long only so much that this shows."""
    sent = request.files.get(name)
    if sent is not None:
        return sent.stream.read(PROFILE_BYTES + 1) or None
    return request.form.get(name, "").encode() or None


def _card() -> str | None:
    text = _text_of("card")
    if text is None:
        return None
    if len(text) > PROFILE_BYTES:
        raise Refusal(422, "invalid", f"the model card is too long: at most {PROFILE_BYTES // MEGABYTE} MB are kept")
    return text.decode("utf-8", "replace").replace("\0", "\ufffd")
