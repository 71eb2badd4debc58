"""Every change of a model's state: in one order for all clients, each with a line in the audit table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg2.extras import Json

from netheal.errors import Conflict
from netheal.registry.artefacts import Artefacts
from netheal.registry.records import ModelEvent, ModelRecord, activations, find_model
from netheal.store.database import Connection, Cursor, transaction


@dataclass(frozen=True)
class Change:
    """The model after the change, and the one it took the place of, if any; `made` is False where nothing changed."""

    model: ModelRecord
    replaced: ModelRecord | None = None
    made: bool = True


@dataclass(frozen=True)
class ChangeReason:
    """Who changes something, and why."""

    actor: str
    why: str = ""


def activate(connection: Connection, model_id: int, reason: ChangeReason) -> Change:
    """Make a model the active one of its type; the one before becomes inactive. Raises Conflict, NotFound.

    Of one that is active already nothing is changed, nor written into its history.
    """
    with changes(connection) as cursor:
        model = find_model(cursor, model_id)
        return Change(model, made=False) if model.is_active else _activate(cursor, model, reason)


def deactivate(connection: Connection, model_id: int, reason: ChangeReason) -> Change:
    """No model of its type is active afterwards. Raises Conflict where it is not active, NotFound."""
    with changes(connection) as cursor:
        model = find_model(cursor, model_id)
        if not model.is_active:
            raise Conflict(f"model {model_id} is {model.state}, not active: there is nothing to deactivate")
        set_state(cursor, model, "inactive", reason)
        return Change(find_model(cursor, model_id))


def rollback(connection: Connection, model_type: str, reason: ChangeReason) -> Change:
    """Activate the model that was active before the last one. Raises Conflict where there is none."""
    with changes(connection) as cursor:
        earlier = earlier_model(cursor, model_type)
        if earlier is None:
            raise Conflict(f"no earlier {model_type} can come back: activate one by its id")
        return _activate(cursor, earlier, reason, rollback=True)


def delete(connection: Connection, model_id: int, reason: ChangeReason, delete_from: Artefacts | None = None) -> Change:
    """Mark a model deleted, and remove its artefact and its original file, if told from where; its record stays.

    Raises Conflict where it is active or a batch that is not finished was scored with it, NotFound.
    """
    with changes(connection) as cursor:
        model = find_model(cursor, model_id)
        if model.is_active:
            raise Conflict(f"model {model_id} is active: deactivate it, or activate another, before deleting it")
        if model.state == "deleted":
            raise Conflict(f"model {model_id} is deleted already")
        cursor.execute(
            "select exists (select 1 from batches, jsonb_each_text(models) as pinned"
            " where state = 'open' and pinned.value = %s)",
            (model.bundle_hash,),
        )
        if cursor.fetchone() == (True,):
            raise Conflict(f"a micro-batch that is not finished was scored with model {model_id}: try again later")
        set_state(cursor, model, "deleted", reason)
        if delete_from is not None:
            delete_from.remove(model.bundle_hash)
            cursor.execute("update models set artefact_deleted_at = now() where id = %s", (model_id,))
            for original in _unused_originals(cursor, model_id):
                delete_from.originals.remove(original)
        return Change(find_model(cursor, model_id))


def _unused_originals(cursor: Cursor, model_id: int) -> list[str]:
    """The hash of the file that a model was made of, if no model that has its artefact was made of the same."""
    cursor.execute(
        "select manifest ->> 'source_sha256' from models where id = %s and manifest ->> 'source_sha256' not in"
        " (select manifest ->> 'source_sha256' from models"
        " where artefact_deleted_at is null and manifest ->> 'source_sha256' is not null)",
        (model_id,),
    )
    return [sha256 for (sha256,) in cursor.fetchall()]


def mark_failed(cursor: Cursor, bundle_hash: str, failure: str) -> ModelRecord | None:
    """Inside the caller's transaction (`changes`): a model failed on real rows.

    It is made inactive, an alert is recorded, and the model before it, if there is one, is activated and
    given back. Of a model that is inactive already nothing is changed: somebody was quicker.
    """
    cursor.execute("select id from models where bundle_hash = %s and state = 'active'", (bundle_hash,))
    row = cursor.fetchone()
    if row is None:
        return None
    failed = find_model(cursor, row[0])
    reason = ChangeReason("netheal", f"failed on real rows: {failure}"[:1000])
    earlier = earlier_model(cursor, failed.model_type)
    set_state(cursor, failed, "inactive", reason)
    instead = earlier.model_version if earlier else "none: rows that need this model go to quarantine"
    cursor.execute(
        "insert into alerts (description, params, model_id) values (%s, %s, %s)",
        (
            f"Alerting administrator: model {failed.model_version} failed and was deactivated; active now: {instead}",
            Json(
                {"model": failed.model_version, "failure": failure[:1000], "active": earlier and earlier.model_version}
            ),
            failed.id,
        ),
    )
    if earlier is None:
        return None
    return _activate(cursor, earlier, ChangeReason("netheal", f"{failed.model_version} failed"), rollback=True).model


def earlier_model(cursor: Cursor, model_type: str) -> ModelRecord | None:
    """The last model of the type that was active before the present one and can be again."""
    for model_id in reversed(activation_stack(activations(cursor, model_type))[:-1]):
        model = find_model(cursor, model_id)
        if model.usable:
            return model
    return None


def activation_stack(events: list[ModelEvent]) -> list[int]:
    """Model ids, the present one last: an activation puts one on top, a rollback takes away what lay on its target."""
    stack: list[int] = []
    for event in events:
        assert event.model_id is not None
        if event.rollback and event.model_id in stack:
            del stack[len(stack) - stack[::-1].index(event.model_id) :]
        elif stack[-1:] != [event.model_id]:
            stack.append(event.model_id)
    return stack


@contextmanager
def changes(connection: Connection) -> Iterator[Cursor]:
    """A transaction in which nobody else changes a model."""
    with transaction(connection) as cursor:
        cursor.execute("lock table models in share row exclusive mode")
        yield cursor


def set_state(cursor: Cursor, model: ModelRecord, state: str, reason: ChangeReason, rollback: bool = False) -> None:
    """Change the state, and write it into the audit table."""
    cursor.execute(
        "update models set state = %s, activated_at = case when %s = 'active' then clock_timestamp()"
        " else activated_at end where id = %s",
        (state, state, model.id),
    )
    cursor.execute(
        "insert into model_events (model_id, model_type, actor, from_state, to_state, rollback, why)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        (model.id, model.model_type, reason.actor, model.state, state, rollback, reason.why),
    )


def _activate(cursor: Cursor, model: ModelRecord, reason: ChangeReason, rollback: bool = False) -> Change:
    if not model.manifest:
        raise Conflict(f"model {model.id} cannot be activated: {model.damage}; upload it again")
    if not model.takes_messages:
        raise Conflict(
            f"model {model.id} takes features that are neither known nor declared, and nothing would be scored with it:"
            " upload its bundle again with a profile that declares them"
        )
    if not model.usable:
        raise Conflict(f"model {model.id} is {model.state}: upload it again")
    cursor.execute("select id from models where model_type = %s and state = 'active'", (model.model_type,))
    row = cursor.fetchone()
    replaced = None
    if row is not None:
        before = find_model(cursor, row[0])
        set_state(cursor, before, "inactive", ChangeReason(reason.actor, f"replaced by {model.model_version}"))
        replaced = find_model(cursor, row[0])
    set_state(cursor, model, "active", reason, rollback)
    return Change(find_model(cursor, model.id), replaced)
