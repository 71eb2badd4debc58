"""What the registry knows of each model, and of what happened to it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from netheal.bundles.intake.fields import json_values
from netheal.bundles.served import parse_manifest
from netheal.contracts.contract import parse_contract
from netheal.contracts.own_contract import is_readable
from netheal.errors import NethealError, NotFound
from netheal.store.database import Connection, Cursor, transaction

_FIELDS = (
    "id",
    "model_type",
    "version",
    "model_version",
    "state",
    "bundle_hash",
    "description",
    "source_name",
    "source_bytes",
    "created_at",
    "created_by",
    "activated_at",
    "artefact_deleted_at",
    "card",
)
_DOCUMENTS = ("manifest", "profile", "validation")
"""Read as text: one that cannot be parsed must not take the other rows with it."""

SELECT = f"select {', '.join((*_FIELDS, *(f'{name}::text' for name in _DOCUMENTS)))} from models"


@dataclass(frozen=True)
class ModelRecord:
    """A model of the registry. `version` is the upload's (20241201_143022), `model_version` that of its verdicts.

    `damage` says which of its documents cannot be read, and why; such a document is empty or None here.
    """

    id: int
    model_type: str
    version: str
    model_version: str
    state: str
    bundle_hash: str
    description: str
    source_name: str
    source_bytes: int | None
    created_at: datetime
    created_by: str
    activated_at: datetime | None
    artefact_deleted_at: datetime | None
    card: str | None
    manifest: dict[str, Any]
    profile: dict[str, Any] | None
    validation: dict[str, Any] | None
    damage: str = ""

    @property
    def is_active(self) -> bool:
        """Whether new batches are scored with it."""
        return self.state == "active"

    @property
    def usable(self) -> bool:
        """Whether it can be activated."""
        return self.state in ("validated", "inactive") and self.artefact_deleted_at is None and self.takes_messages

    @property
    def takes_messages(self) -> bool:
        """Whether rows can be read for it: earlier versions took in models whose features nobody described."""
        return "contract" in self.manifest and is_readable(parse_contract(self.manifest["contract"]))

    @property
    def expected_features(self) -> list[str]:
        """The features it takes, in order."""
        return [feature["name"] for feature in self.manifest["contract"]["features"]] if self.manifest else []

    @property
    def source_sha256(self) -> str | None:
        """The hash of the file that it was made of."""
        return self.manifest.get("source_sha256")

    @property
    def class_labels(self) -> list[str]:
        """What it can answer."""
        return list(self.manifest["classes"] or ("Normal", "Attack")) if self.manifest else []


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
    connection: Connection,
    model_type: str | None = None,
    with_deleted: bool = False,
    before: int | None = None,
    limit: int | None = None,
) -> Sequence[ModelRecord]:
    """Models, newest first; `before` is the id that the page before ended with, `limit` None for all."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"{SELECT} where {_CHOSEN} and (%(before)s::bigint is null or id < %(before)s)"
            " order by id desc limit %(limit)s",
            {"type": model_type, "deleted": with_deleted, "before": before, "limit": limit},
        )
        return [_record(row) for row in cursor.fetchall()]


def count_models(connection: Connection, model_type: str | None = None, with_deleted: bool = False) -> int:
    """How many there are on all pages."""
    with transaction(connection) as cursor:
        cursor.execute(f"select count(*) from models where {_CHOSEN}", {"type": model_type, "deleted": with_deleted})
        (found,) = cursor.fetchone() or (0,)
        return int(found)


def get_model(connection: Connection, model_id: int) -> ModelRecord:
    """One model; raises NotFound."""
    with transaction(connection) as cursor:
        return find_model(cursor, model_id)


def find_model(cursor: Cursor, model_id: int) -> ModelRecord:
    """The same inside a transaction."""
    cursor.execute(f"{SELECT} where id = %s", (model_id,))
    row = cursor.fetchone()
    if row is None:
        raise NotFound(f"there is no model {model_id}: `GET /api/v1/models/` lists those there are")
    return _record(row)


def active_model(connection: Connection, model_type: str) -> ModelRecord | None:
    """The model of a type that scores now."""
    with transaction(connection) as cursor:
        cursor.execute(f"{SELECT} where model_type = %s and state = 'active'", (model_type,))
        row = cursor.fetchone()
    return None if row is None else _record(row)


def model_of_bundle(connection: Connection, bundle_hash: str) -> ModelRecord | None:
    """The model with this artefact, the newest where there are several; deleted ones, too."""
    with transaction(connection) as cursor:
        cursor.execute(f"{SELECT} where bundle_hash = %s order by id desc limit 1", (bundle_hash,))
        row = cursor.fetchone()
    return None if row is None else _record(row)


def models_of_file(cursor: Cursor, model_type: str, source_sha256: str) -> list[ModelRecord]:
    """The models of a type that were made of a file and are not deleted: the active one, then the newest."""
    cursor.execute(
        f"{SELECT} where model_type = %s and manifest ->> 'source_sha256' = %s and state <> 'deleted'"
        " order by state = 'active' desc, id desc",
        (model_type, source_sha256),
    )
    return [_record(row) for row in cursor.fetchall()]


def model_history(connection: Connection, model_id: int) -> list[ModelEvent]:
    """Everything that happened to a model, oldest first; raises NotFound."""
    with transaction(connection) as cursor:
        find_model(cursor, model_id)
        cursor.execute(f"{_EVENTS} where model_id = %s order by id", (model_id,))
        return [ModelEvent(*row) for row in cursor.fetchall()]


def activations(cursor: Cursor, model_type: str) -> list[ModelEvent]:
    """Every time that a model of the type became active, oldest first."""
    cursor.execute(f"{_EVENTS} where model_type = %s and to_state = 'active' order by id", (model_type,))
    return [ModelEvent(*row) for row in cursor.fetchall()]


_EVENTS = "select id, model_id, model_type, at, actor, from_state, to_state, rollback, why from model_events"
_CHOSEN = "(%(type)s::text is null or model_type = %(type)s) and (%(deleted)s or state <> 'deleted')"


def _record(row: tuple[Any, ...]) -> ModelRecord:
    """A row of `SELECT`, whatever its documents hold."""
    documents, damage = [], []
    for name, text in zip(_DOCUMENTS, row[len(_FIELDS) :], strict=True):
        try:
            documents.append(_read(name, text))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, NethealError) as error:
            documents.append({} if name == "manifest" else None)
            damage.append(f"its {name} cannot be read: {str(error)[:200]}")
    return ModelRecord(*row[: len(_FIELDS)], *documents, *["; ".join(damage)])


def _read(name: str, text: str | None) -> Any:
    if text is None:
        return None
    document = json.loads(text)
    if not isinstance(json_values(document, "it"), dict):
        raise ValueError("it is no JSON object")
    if name == "manifest":
        parse_contract(parse_manifest(text.encode()).contract)
    return document
