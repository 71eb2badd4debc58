"""What the registry knows of each model, and of what happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from netheal.errors import NotThere
from netheal.store.database import Connection, Cursor, transaction

_FIELDS = (
    "id",
    "model_type",
    "version",
    "model_version",
    "state",
    "bundle_hash",
    "manifest",
    "description",
    "source_name",
    "source_bytes",
    "created_at",
    "created_by",
    "activated_at",
    "artefact_deleted_at",
    "profile",
    "validation",
    "card",
)
SELECT = f"select {', '.join(_FIELDS)} from models"


@dataclass(frozen=True)
class ModelRecord:
    """A model of the registry. `version` is the upload's (20241201_143022), `model_version` that of its verdicts."""

    id: int
    model_type: str
    version: str
    model_version: str
    state: str
    bundle_hash: str
    manifest: dict[str, Any]
    description: str
    source_name: str
    source_bytes: int | None
    created_at: datetime
    created_by: str
    activated_at: datetime | None
    artefact_deleted_at: datetime | None
    profile: dict[str, Any] | None
    validation: dict[str, Any] | None
    card: str | None

    @property
    def is_active(self) -> bool:
        """Whether new batches are scored with it."""
        return self.state == "active"

    @property
    def usable(self) -> bool:
        """Whether it can be activated."""
        return self.state in ("validated", "inactive") and self.artefact_deleted_at is None

    @property
    def expected_features(self) -> list[str]:
        """The features it takes, in order."""
        return [feature["name"] for feature in self.manifest["contract"]["features"]]

    @property
    def class_labels(self) -> list[str]:
        """What it can answer."""
        return list(self.manifest["classes"] or ("Normal", "Attack"))


@dataclass(frozen=True)
class ModelEvent:
    """One change of a model: who, when, from, to, why."""

    id: int
    model_id: int | None
    model_type: str
    at: datetime
    actor: str
    from_state: str | None
    to_state: str | None
    rollback: bool
    why: str


def list_models(
    connection: Connection, model_type: str | None = None, with_deleted: bool = False
) -> Sequence[ModelRecord]:
    """Models, newest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"{SELECT} where (%(type)s::text is null or model_type = %(type)s)"
            " and (%(deleted)s or state <> 'deleted') order by id desc",
            {"type": model_type, "deleted": with_deleted},
        )
        return [ModelRecord(*row) for row in cursor.fetchall()]


def get_model(connection: Connection, model_id: int) -> ModelRecord:
    """One model; raises NotThere."""
    with transaction(connection) as cursor:
        return find_model(cursor, model_id)


def find_model(cursor: Cursor, model_id: int) -> ModelRecord:
    """The same inside a transaction."""
    cursor.execute(f"{SELECT} where id = %s", (model_id,))
    row = cursor.fetchone()
    if row is None:
        raise NotThere(f"there is no model {model_id}: `GET /api/v1/models/` lists those there are")
    return ModelRecord(*row)


def active_model(connection: Connection, model_type: str) -> ModelRecord | None:
    """The model of a type that scores now."""
    with transaction(connection) as cursor:
        cursor.execute(f"{SELECT} where model_type = %s and state = 'active'", (model_type,))
        row = cursor.fetchone()
    return None if row is None else ModelRecord(*row)


def model_history(connection: Connection, model_id: int) -> list[ModelEvent]:
    """Everything that happened to a model, oldest first; raises NotThere."""
    with transaction(connection) as cursor:
        find_model(cursor, model_id)
        cursor.execute(f"{_EVENTS} where model_id = %s order by id", (model_id,))
        return [ModelEvent(*row) for row in cursor.fetchall()]


def activations(cursor: Cursor, model_type: str) -> list[ModelEvent]:
    """Every time that a model of the type became active, oldest first."""
    cursor.execute(f"{_EVENTS} where model_type = %s and to_state = 'active' order by id", (model_type,))
    return [ModelEvent(*row) for row in cursor.fetchall()]


_EVENTS = "select id, model_id, model_type, at, actor, from_state, to_state, rollback, why from model_events"
