"""What the API takes and gives about models."""

from typing import Any

from apiflask import Schema
from apiflask.fields import Boolean, DateTime, Dict, File, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf

from api.schemas.pages import PageQuery, PageSchema
from api.schemas.queries import PLAIN
from api.schemas.times import iso_utc
from netheal.contracts import MODEL_TYPES
from netheal.contracts.verdict import CONFIDENCE_KIND, CONFIDENCE_KINDS, NOVELTY
from netheal.registry.changes import Change
from netheal.registry.records import ModelEvent, ModelRecord


class ModelQuery(PageQuery):
    """Which models."""

    model_type = String(validate=OneOf(MODEL_TYPES))
    deleted = Boolean(load_default=False, metadata={"description": "Deleted ones, too"})


class UploadForm(Schema):
    """A bundle with what belongs to it."""

    file = File(  # type: ignore[no-untyped-call]
        required=True, metadata={"description": ".joblib, .pkl or .h5, 500 MB at most"}
    )
    model_type = String(required=True, validate=OneOf(MODEL_TYPES))
    description = String(load_default="", validate=[Length(max=2000), PLAIN])
    profile_config = Raw(metadata={"description": "The profile JSON, as a file or as text"})
    card = Raw(metadata={"description": "The model card in Markdown, as a file or as text"})


class ReasonBody(Schema):
    """Why somebody changes something; kept in the history."""

    why = String(load_default="", validate=[Length(max=1000), PLAIN])


class DeleteQuery(Schema):
    """Whether the artefact goes, too."""

    delete_file = Boolean(load_default=False)


class Model(Schema):
    """A model of the registry."""

    id = Integer()
    model_type = String()
    version = String(metadata={"description": "When it was uploaded: 20241201_143022"})
    model_version = String(metadata={"description": "As predictions name it: decision_tree_v2_20241201"})
    state = String()
    is_active = Boolean()
    description = String()
    file_name = String(metadata={"description": "As the client named it; never used as a path"})
    file_bytes = Integer(allow_none=True)
    bundle_hash = String()
    contract = String(allow_none=True)
    contract_hash = String(allow_none=True)
    source_sha256 = String(allow_none=True)
    onnx_sha256 = String(allow_none=True)
    threshold = Float(allow_none=True)
    confidence_kind = String(
        allow_none=True,
        validate=OneOf((*CONFIDENCE_KINDS, None)),
        metadata={"description": CONFIDENCE_KIND},
    )
    novelty_limit = Float(
        allow_none=True,
        metadata={"description": f"A row whose novelty is above it is novel; null where none is known. {NOVELTY}"},
    )
    expected_features = List(String())
    class_labels = List(String())
    parity = Dict()
    training = Dict()
    profile = Dict(allow_none=True)
    validation_results = Dict(allow_none=True)
    warnings = List(String(), metadata={"description": "What a person should read before they activate it"})
    created_at = String()
    created_by = String()
    activated_at = String(allow_none=True)
    artefact_deleted_at = String(allow_none=True)
    damage = String(allow_none=True, metadata={"description": "What of the record cannot be read, and why"})


class UploadedModel(Model):
    """The model that a file was made into, now or when it came before."""

    message = String()


class Models(PageSchema):
    """Models, newest first."""

    models = List(Nested(Model))
    total = Integer(metadata={"description": "On all pages"})


class ModelChange(Model):
    """A model after a change of it, and what the change did."""

    message = String()
    model = Nested(Model, metadata={"description": "The model's keys once more, as one object"})
    replaced = Nested(Model, allow_none=True, metadata={"description": "The model that was active before"})


class Event(Schema):
    """A line of the audit table."""

    id = Integer()
    at = String()
    actor = String()
    from_state = String(allow_none=True)
    to_state = String(allow_none=True)
    rollback = Boolean()
    why = String()


class History(Schema):
    """Everything that happened to a model, oldest first."""

    model_id = Integer()
    events = List(Nested(Event))


class Card(Schema):
    """A model card, in Markdown."""

    model_id = Integer()
    card = String()


class Profile(Schema):
    """What the active model of a type expects."""

    model_type = String()
    model_id = Integer()
    model_version = String()
    expected_features = List(String())
    class_labels = List(String())
    preprocessing_notes = Raw(allow_none=True)
    preprocessing_pipeline = Raw(allow_none=True)


class Storage(Schema):
    """What the models take on disk, the files they were made of included."""

    total_models = Integer()
    total_bytes = Integer()
    by_type = Dict()
    by_state = Dict()
    newest_upload = DateTime(allow_none=True)


def model_document(record: ModelRecord) -> dict[str, Any]:
    """A record as `Model`."""
    manifest = record.manifest or _NO_MANIFEST
    return {
        "id": record.id,
        "model_type": record.model_type,
        "version": record.version,
        "model_version": record.model_version,
        "state": record.state,
        "is_active": record.is_active,
        "description": record.description,
        "file_name": record.source_name,
        "file_bytes": record.source_bytes,
        "bundle_hash": record.bundle_hash,
        "contract": manifest["contract"]["id"],
        "contract_hash": manifest["contract_hash"],
        "source_sha256": manifest["source_sha256"],
        "onnx_sha256": manifest["onnx_sha256"],
        "threshold": manifest["threshold"],
        "confidence_kind": manifest.get("confidence_kind"),
        "novelty_limit": (manifest.get("training_ranges") or {}).get("limit"),
        "expected_features": record.expected_features,
        "class_labels": record.class_labels,
        "parity": manifest["parity"],
        "training": manifest["training"],
        "profile": record.profile,
        "validation_results": record.validation,
        "warnings": (record.validation or {}).get("warnings", []),
        "created_at": iso_utc(record.created_at),
        "created_by": record.created_by,
        "activated_at": iso_utc(record.activated_at),
        "artefact_deleted_at": iso_utc(record.artefact_deleted_at),
        "damage": record.damage or None,
    }


def change_document(message: str, change: Change) -> dict[str, Any]:
    """A change as `ModelChange`."""
    model = model_document(change.model)
    replaced = model_document(change.replaced) if change.replaced else None
    return {**model, "message": message, "model": model, "replaced": replaced}


_NO_MANIFEST: dict[str, Any] = {
    "contract": {"id": None},
    "contract_hash": None,
    "source_sha256": None,
    "onnx_sha256": None,
    "threshold": None,
    "parity": {},
    "training": {},
}
"""Of a record whose manifest cannot be read."""


def event_document(event: ModelEvent) -> dict[str, Any]:
    """An event as `Event`."""
    return {
        "id": event.id,
        "at": iso_utc(event.at),
        "actor": event.actor,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "rollback": event.rollback,
        "why": event.why,
    }
