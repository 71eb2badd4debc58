"""`netheal trace ID`: where one event is now, from its record to its action."""

import json
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.contracts.event_id import UPLOAD_PARTITION, offset_of, partition_of
from netheal.embedded.running import named_postgres
from netheal.errors import NotFound
from netheal.settings import Settings
from netheal.store.archive import Archive
from netheal.store.database import Connection, transaction
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.events import RejectedEvent, VerdictEvent, find_rejected_event, find_verdict_event
from netheal.store.pool import Pool
from netheal.store.topics import done_offsets, known_topic

Document = dict[str, Any]
_FOUND, _WAITS = 0, 1


def trace_command(settings: Settings, event_id: int, as_json: bool, console: Console | None = None) -> int:
    """Print it; 0 where the event is scored or rejected, 1 where it waits or is not there yet.

    Raises NotFound where it is nowhere, ServiceUnavailable where Postgres does not answer.
    """
    found = trace(settings, event_id)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, value in found.items():
            table.add_row(name.replace("_", " "), escape(str(value)))
        (console or Console(highlight=False)).print(table)
    return _WAITS if found["state"] == "waits" else _FOUND


def trace(settings: Settings, event_id: int) -> Document:
    """What is known of the event, as plain JSON: its place, its state, and what came of it."""
    named = named_postgres(settings)
    root = named.paths.delta_root
    with closing(Pool(named.postgres.dsn.get_secret_value())) as pool:
        verdict = find_verdict_event(pool, Archive(verdicts_layout(), root), event_id)
        if verdict is not None:
            return _of_verdict(verdict)
        rejected = find_rejected_event(pool, Archive(quarantine_layout(), root), event_id)
        if rejected is not None:
            return _of_rejected(rejected)
        with pool.connection() as connection:
            return _of_waiting(connection, named.stream.input_topic, event_id)


def _of_verdict(found: VerdictEvent) -> Document:
    verdict, batch = found.verdict, found.batch
    models = {"threat_model": verdict.threat_model, "attack_model": verdict.attack_model}
    return {
        **_place(verdict.event_id),
        "state": "scored",
        "recorded_at": verdict.recorded_at.isoformat(),
        "batch_id": verdict.batch_id,
        "batch_state": batch.state if batch else None,
        "batch_closed_at": batch.closed_at.isoformat() if batch and batch.closed_at else None,
        "policy_version": batch.policy_version if batch else None,
        **{name: model.version if model else None for name, model in models.items()},
        "is_attack": verdict.is_attack,
        "attack_class": verdict.attack_class,
        "action_type": verdict.action_type,
        "action_status": verdict.action_status,
        "in_delta": found.whole is not None,
    }


def _of_rejected(found: RejectedEvent) -> Document:
    row = found.rejected
    return {
        **_place(row.event_id),
        "state": "rejected",
        "recorded_at": row.recorded_at.isoformat(),
        "batch_id": row.batch_id,
        "reason": row.reason,
        "field": row.field,
        "detail": row.detail,
        "replayed_at": row.replayed_at.isoformat() if row.replayed_at else None,
        "replay_result": row.replay_result,
        "in_delta": found.whole is not None,
    }


def _of_waiting(connection: Connection, topic: str, event_id: int) -> Document:
    known = known_topic(connection, topic)
    with transaction(connection) as cursor:
        done = done_offsets(cursor, topic)
    partition, offset = partition_of(event_id), offset_of(event_id) - (known.offset_base if known else 0)
    if partition == UPLOAD_PARTITION or offset < done.get(str(partition), 0):
        raise NotFound(
            f"there is no event {event_id}: it is older than what is kept, was taken back by its producer, or never was"
        )
    ahead = offset - done.get(str(partition), 0)
    return {
        **_place(event_id),
        "state": "waits",
        "rows_before_it": ahead,
        "note": f"offset {offset} of partition {partition} is not scored yet, if it is in topic {topic} at all",
    }


def _place(event_id: int) -> Document:
    """Offsets are those of event ids: with the base of a topic that was recreated."""
    return {"event_id": event_id, "partition": partition_of(event_id), "offset": offset_of(event_id)}
