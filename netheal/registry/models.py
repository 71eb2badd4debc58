"""The registry's models: which are active, and how a new one comes in."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from psycopg2.extras import Json

from netheal.bundles.served import ServedBundle
from netheal.errors import Conflict
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, changes, set_state
from netheal.registry.records import ModelRecord, find_model, models_of_file
from netheal.registry.version_names import version_name
from netheal.store.database import Connection, Cursor, transaction
from netheal.telemetry import emit

_UPLOAD_VERSION = "%Y%m%d_%H%M%S"
_OWN_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ActiveModel:
    """The model that is active for its type; `activated_at` is None where a version before 0.1 activated it."""

    id: int
    model_type: str
    version: str
    bundle_hash: str
    contract_id: str
    activated_at: datetime | None


@dataclass(frozen=True)
class Upload:
    """What comes with a bundle and is kept beside it; `original` is the file it was made of, open for reading."""

    source_name: str
    source_bytes: int
    description: str = ""
    profile: dict[str, Any] | None = None
    validation: dict[str, Any] = field(default_factory=dict)
    card: str | None = None
    original: IO[bytes] | None = None


class AlreadyUploaded(Conflict):
    """The same file came before, with the same profile and for the same type: use the model that was made of it."""

    def __init__(self, model: ModelRecord) -> None:
        super().__init__(f"already uploaded as {model.model_version}: it is model {model.id}")
        self.model = model


@dataclass(frozen=True)
class Quota:
    """How many models that are not deleted there may be, and how many bytes all artefacts and originals may take."""

    models: int
    bytes: int


def active_models(cursor: Cursor, without: Collection[str] = ()) -> list[ActiveModel]:
    """The active models, at most one a type, but those of the bundle hashes `without`."""
    cursor.execute(
        "select id, model_type, model_version, bundle_hash, manifest -> 'contract' ->> 'id', activated_at"
        " from models where state = 'active' order by model_type"
    )
    found = [ActiveModel(*row) for row in cursor.fetchall()]
    return [model for model in found if model.bundle_hash not in without]


def model_ids(connection: Connection, bundle_hashes: list[str]) -> dict[str, int]:
    """Bundle hash -> registry id."""
    with transaction(connection) as cursor:
        cursor.execute("select bundle_hash, id from models where bundle_hash = any(%s)", (bundle_hashes,))
        return dict(cursor.fetchall())


def require_new(
    cursor: Cursor, artefacts: Artefacts, model_type: str, source_sha256: str, profile: dict[str, Any] | None
) -> None:
    """Raises AlreadyUploaded where a model is there, and whole, that a file with this profile was made into."""
    for model in models_of_file(cursor, model_type, source_sha256):
        if model.profile == profile and not model.damage and artefacts.holds(model.bundle_hash):
            raise AlreadyUploaded(model)


def add_model(
    connection: Connection,
    artefacts: Artefacts,
    bundle: ServedBundle,
    upload: Upload,
    reason: ChangeReason,
    quota: Quota | None = None,
) -> ModelRecord:
    """Store an examined bundle; its record, in state `validated`. Raises Conflict where the quota is used up.

    Where its original comes with it, this is kept, too. Raises AlreadyUploaded where it came before, see `require_new`,
    and BundleError where it is not what the bundle was made of.
    Its verdicts are named by the version that the bundle itself carries, where it does and no other model has
    that name; else by what it is, a running number of its type, and today: decision_tree_v2_20241201.
    """
    sizes = {} if quota is None else _sizes(connection, artefacts)
    source_sha256, original = bundle.manifest.source_sha256, upload.original
    # What takes long comes before the lock, for which every activation and rollback would wait.
    with (
        artefacts.staged(bundle) as store,
        artefacts.originals.staged(original, source_sha256) as keep_original,
        changes(connection) as cursor,
    ):
        if original is not None:
            require_new(cursor, artefacts, bundle.manifest.model_type, source_sha256, upload.profile)
        if quota is not None:
            more_bytes = len(bundle.onnx) + (upload.source_bytes if original is not None else 0)
            _require_within(cursor, artefacts, quota, more_bytes, sizes)
        now = datetime.now(UTC)
        named = _named(cursor, bundle, now)
        model_id = _insert(cursor, named, upload, reason.actor, _upload_version(cursor, bundle, now))
        model = find_model(cursor, model_id)
        set_state(cursor, model, "validated", reason)
        # Last, so that what the registry refuses leaves nothing on disk.
        store(named)
        keep_original()
        emit("model.imported", model_type=model.model_type, version=model.model_version, hash=model.bundle_hash)
        return find_model(cursor, model_id)


def keep_missing_original(
    connection: Connection, artefacts: Artefacts, model: ModelRecord, original: IO[bytes]
) -> None:
    """Keep the file of a model that is not deleted and came when files were not kept; else nothing is done."""
    sha256 = model.source_sha256 or ""
    if artefacts.originals.size_bytes(sha256):
        return
    with artefacts.originals.staged(original, sha256) as keep, changes(connection) as cursor:
        if find_model(cursor, model.id).artefact_deleted_at is None:
            keep()


def require_quota(connection: Connection, artefacts: Artefacts, quota: Quota) -> None:
    """Raises Conflict where not one more model can be stored."""
    sizes = _sizes(connection, artefacts)
    with transaction(connection) as cursor:
        _require_within(cursor, artefacts, quota, 1, sizes)


def _sizes(connection: Connection, artefacts: Artefacts) -> dict[str, int]:
    """Bytes of every artefact and original that is on disk, by its hash; asked for outside of any transaction."""
    with transaction(connection) as cursor:
        stored = _stored(cursor)
    return _bytes_of(artefacts, stored, {})


@dataclass(frozen=True)
class _Stored:
    """What a model has on disk."""

    state: str
    bundle_hash: str
    source_sha256: str | None


def _stored(cursor: Cursor) -> list[_Stored]:
    """The models that count towards a quota."""
    cursor.execute(
        "select state, bundle_hash, manifest ->> 'source_sha256' from models"
        " where state <> 'deleted' or artefact_deleted_at is null"
    )
    return [_Stored(*row) for row in cursor.fetchall()]


def _bytes_of(artefacts: Artefacts, stored: Iterable[_Stored], known: Mapping[str, int]) -> dict[str, int]:
    """Bytes by hash; two models may be made of one file. Only what is not among the known is looked at on disk."""
    found = {}
    for model in stored:
        for name, size_bytes in (
            (model.bundle_hash, artefacts.size_bytes),
            (model.source_sha256, artefacts.originals.size_bytes),
        ):
            if name is not None and name not in found:
                found[name] = known[name] if name in known else size_bytes(name)
    return found


def _require_within(
    cursor: Cursor, artefacts: Artefacts, quota: Quota, more_bytes: int, sizes: Mapping[str, int]
) -> None:
    """`sizes` are those known; only what was added since then is looked at on disk."""
    stored = _stored(cursor)
    if sum(model.state != "deleted" for model in stored) >= quota.models:
        raise Conflict(f"there are {quota.models} models, as many as NETHEAL_MODELS_MAX allows: delete some first")
    taken = sum(_bytes_of(artefacts, stored, sizes).values())
    if taken + more_bytes > quota.bytes:
        raise Conflict(
            f"the models and their files take {taken:,} bytes, this one takes {more_bytes:,} more, and"
            f" NETHEAL_MODELS_MAX_BYTES allows {quota.bytes:,}: delete some with their files first"
        )


def _insert(cursor: Cursor, bundle: ServedBundle, upload: Upload, actor: str, version: str) -> int:
    manifest = bundle.manifest
    cursor.execute(
        "insert into models (model_type, version, model_version, state, bundle_hash, manifest, description,"
        " source_name, source_bytes, created_by, profile, validation, card)"
        " values (%s, %s, %s, 'uploaded', %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id",
        (
            manifest.model_type,
            version,
            manifest.version,
            bundle.hash,
            Json(None, dumps=lambda _: manifest.to_json().decode()),
            upload.description,
            upload.source_name,
            upload.source_bytes,
            actor,
            Json(upload.profile) if upload.profile is not None else None,
            Json(upload.validation),
            upload.card,
        ),
    )
    (model_id,) = cursor.fetchone() or (0,)
    cursor.execute(
        "insert into model_events (model_id, model_type, actor, from_state, to_state)"
        " values (%s, %s, %s, null, 'uploaded')",
        (model_id, manifest.model_type, actor),
    )
    return int(model_id)


def _named(cursor: Cursor, bundle: ServedBundle, now: datetime) -> ServedBundle:
    manifest = bundle.manifest
    cursor.execute(
        "select count(*), count(*) filter (where model_version = %s) from models where model_type = %s",
        (manifest.version, manifest.model_type),
    )
    there, same_name = cursor.fetchone() or (0, 0)
    made_up = manifest.version.endswith(manifest.source_sha256[:8])
    if _OWN_VERSION.fullmatch(manifest.version) and not made_up and not same_name:
        return bundle
    return ServedBundle(replace(manifest, version=version_name(manifest, there + 1, now)), bundle.onnx)


def _upload_version(cursor: Cursor, bundle: ServedBundle, now: datetime) -> str:
    """The second of the upload, or the next one that no model of the type has."""
    cursor.execute("select version from models where model_type = %s", (bundle.manifest.model_type,))
    taken = {version for (version,) in cursor.fetchall()}
    while f"{now:{_UPLOAD_VERSION}}" in taken:
        now += timedelta(seconds=1)
    return f"{now:{_UPLOAD_VERSION}}"
