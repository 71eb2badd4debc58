"""Whether every record of the input topic is in every sink once, and all sinks, counts and the ledger agree."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from netheal.store.delta import quarantine_layout, verdicts_layout
from tests.stack.harness import Record, World

_SERVING = (
    "event_id",
    "recorded_at",
    "batch_id",
    "is_attack",
    "threat_score",
    "threat_novelty",
    "threat_is_novel",
    "attack_class_id",
    "attack_confidence",
    "attack_novelty",
    "attack_is_novel",
    "action_type",
    "action_status",
    "sensor_id",
    "src_ip",
    "dst_ip",
)
_REJECTED = ("event_id", "recorded_at", "batch_id", "topic", "partition", "offset", "reason", "field", "detail")
Events = dict[int, Record]
_YEAR_2262_MS = 9_214_646_400_000
_TEXT_CHARS = 200
"""Of a client's text in Postgres, which has no NUL either."""


def events_of(records: list[Record], offset_base: int = 0) -> Events:
    """Event id -> record."""
    return {(offset_base + r.offset) * 1024 + r.partition: r for r in records}


def assert_nothing_twice(world: World) -> None:
    """No event twice in Delta or Postgres; holds at any moment, also between a crash and its replay."""
    for table in (world.verdicts(), world.quarantine()):
        ids = table["event_id"].to_pylist()
        assert len(ids) == len(set(ids)), "an event stands twice in Delta"
    for name in ("verdicts", "rejected"):
        ((rows, distinct),) = world.ask(f"select count(*), count(distinct event_id) from {name}")
        assert rows == distinct, f"an event stands twice in Postgres {name}"


def assert_exactly_once(world: World, events: Events | None = None, model_failed: bool = False) -> None:
    """The whole promise, for a stream that has caught up.

    Where a model failed in the middle of a batch, an event's last message counts.
    """
    events = events_of(world.records()) if events is None else events
    verdicts, quarantine = world.verdicts(), world.quarantine()
    ids = verdicts["event_id"].to_pylist() + quarantine["event_id"].to_pylist()
    assert sorted(ids) == sorted(events), _difference(ids, events)
    assert max(ids, default=0) < 2**53
    opened = _opened_batches(world)
    _assert_origin(verdicts, events, opened)
    _assert_origin(quarantine, events, opened)
    _assert_raw(quarantine, events)
    _assert_postgres(world, verdicts, quarantine)
    _assert_output(world, verdicts, model_failed)
    _assert_counts(world, verdicts, quarantine)
    _assert_ledger(world, verdicts, quarantine)


def assert_drift_counted_once(world: World) -> None:
    """Of models whose bundles have histograms: windows have each scored row once, whatever was replayed."""
    verdicts = world.verdicts()
    scored: Counter[str] = Counter()
    for kind in ("attack", "threat"):
        scored.update(key for key in verdicts[f"{kind}_model_hash"].to_pylist() if key is not None)
    counted = dict(world.ask("select bundle_hash, sum(rows)::bigint from drift_windows group by 1"))
    assert counted == dict(scored)
    windows = world.ask("select rows, counts[1] from drift_windows")
    assert windows and all(rows == first for rows, first in windows)


def assert_no_part_left_over(world: World) -> None:
    """Attempts that came to nothing left no file; for a stream that was neither compacted nor repaired."""
    for layout in (verdicts_layout(), quarantine_layout()):
        uri = layout.uri(world.settings.paths.delta_root)
        on_disk = {str(path) for path in Path(uri).glob("date=*/*.parquet")}
        assert on_disk == set(DeltaTable(uri).file_uris()), "an attempt left its parts behind"


def _difference(ids: list[int], events: Events) -> str:
    twice = [event for event, n in Counter(ids).items() if n > 1]
    return f"lost {len(set(events) - set(ids))}, twice {len(twice)}, unknown {len(set(ids) - set(events))}"


def _opened_batches(world: World) -> list[tuple[str, int, int, datetime]]:
    """Of each batch and partition: the first event id, the one after the last, and when the batch was opened.

    Two queries number their batches alike, and Delta has the number alone.
    """
    rows = world.ask(
        "select t.offset_base, b.start_offsets, b.end_offsets, b.opened_at from batches b join topics t"
        " using (topic, topic_id)"
    )
    return [
        (name, (base + starts.get(name, 0)) * 1024, (base + end) * 1024, at)
        for base, starts, ends, at in rows
        for name, end in ends.items()
    ]


def _opened_at(opened: list[tuple[str, int, int, datetime]], event: int, partition: int) -> datetime:
    (at,) = (at for name, first, end, at in opened if int(name) == partition and first <= event < end)
    return at


def _assert_origin(table: pa.Table, events: Events, opened: list[tuple[str, int, int, datetime]]) -> None:
    """A record without a usable time has that of its batch, and is quarantined for it."""
    columns = [table[name].to_pylist() for name in ("event_id", "partition", "offset", "recorded_at", "date")]
    reasons = table["reason"].to_pylist() if "reason" in table.column_names else [None] * table.num_rows
    for event, partition, offset, recorded_at, day, reason in zip(*columns, reasons, strict=True):
        record = events[event]
        assert (partition, offset) == (record.partition, record.offset)
        timed = 0 <= record.timestamp_ms < _YEAR_2262_MS
        assert timed == (reason != "bad_timestamp")
        at = (
            datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=record.timestamp_ms)
            if timed
            else _opened_at(opened, event, partition)
        )
        assert recorded_at == at
        assert day == recorded_at.date()


def _assert_raw(quarantine: pa.Table, events: Events) -> None:
    for row in quarantine.select(["event_id", "key", "value"]).to_pylist():
        record = events[row["event_id"]]
        assert (row["key"], row["value"]) == (record.key, record.value)


def _assert_postgres(world: World, verdicts: pa.Table, quarantine: pa.Table) -> None:
    serving = world.ask(f"select {', '.join(_SERVING)} from verdicts order by event_id")
    assert serving == _shown(_rows(verdicts, _SERVING))
    quoted = ", ".join(f'"{name}"' for name in _REJECTED)
    heads = [(*row[:-1], bytes(row[-1] or b"")) for row in world.ask(f"select {quoted}, head from rejected order by 1")]
    values = [(value or b"")[:256] for value in quarantine["value"].to_pylist()]
    assert heads == [(*row, value) for row, value in zip(_shown(_rows(quarantine, _REJECTED)), values, strict=True)]


def _rows(table: pa.Table, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def _shown(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(v[:_TEXT_CHARS].replace("\0", "\ufffd") if isinstance(v, str) else v for v in row) for row in rows]


def _assert_output(world: World, verdicts: pa.Table, last_counts: bool) -> None:
    """Every verdict at least once; copies of one message are the same bytes, unless the last one counts."""
    messages: dict[str, bytes] = {}
    for record in world.records(world.settings.stream.output_topic):
        key, value = (record.key or b"").decode(), record.value or b""
        assert last_counts or messages.get(key, value) == value, "two different messages for one event"
        messages[key] = value
    rows = {str(row["event_id"]): row for row in verdicts.to_pylist()}
    assert set(messages) == set(rows), "the output topic and Delta hold different events"
    for key, value in messages.items():
        _assert_message(json.loads(value), rows[key])


def _assert_message(message: dict[str, Any], row: dict[str, Any]) -> None:
    assert (message["type"], message["traffic_data_id"]) == ("prediction", row["event_id"])
    stamp = row["recorded_at"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert message["timestamp"] == stamp
    threat, attack = message["threat_prediction"], message["attack_prediction"]
    assert (threat and threat["prediction_score"]) == row["threat_score"]
    assert (threat and threat["is_attack"]) == row["threat_is_attack"]
    assert (attack and attack["attack_type_encoded"]) == row["attack_class_id"]
    assert (attack and attack["attack_type_name"]) == row["attack_class"]
    assert (attack and attack["confidence"]) == row["attack_confidence"]
    for kind, prediction in (("threat", threat), ("attack", attack)):
        assert (prediction and prediction["novelty"]) == row[f"{kind}_novelty"]
        assert (prediction and prediction["is_novel"]) == row[f"{kind}_is_novel"]
    action = message["self_healing_action"]
    assert (action["action_type"], action["status"]) == (row["action_type"], "logged")
    assert action["action_params"] == json.loads(row["action_params"])


def _assert_counts(world: World, verdicts: pa.Table, quarantine: pa.Table) -> None:
    minutes: Counter[tuple[datetime, str, str]] = Counter()
    for row in verdicts.to_pylist():
        minute = row["recorded_at"].replace(second=0, microsecond=0)
        minutes[minute, "prediction", "attack" if row["is_attack"] else "normal"] += 1
        minutes[minute, "action", row["action_type"]] += 1
        if row["attack_class"] is not None:
            minutes[minute, "class", row["attack_class"]] += 1
        if row["threat_is_attack"] is not None:
            minutes[minute, "threat", "attack" if row["threat_is_attack"] else "normal"] += 1
    for recorded_at, reason in _rows(quarantine, ("recorded_at", "reason")):
        minutes[recorded_at.replace(second=0, microsecond=0), "rejected", reason] += 1
    totals: Counter[tuple[str, str]] = Counter()
    for (_, kind, name), n in minutes.items():
        totals[kind, name] += n
    stored = {(m, k, name): n for m, k, name, n in world.ask("select minute, kind, name, n from minute_counts")}
    assert stored == dict(minutes)
    assert {(k, name): n for k, name, n in world.ask("select kind, name, n from total_counts")} == dict(totals)


def _assert_ledger(world: World, verdicts: pa.Table, quarantine: pa.Table) -> None:
    """All batches done, their offsets without gap or overlap, also from one query to the next, their counts Delta's."""
    ledger = world.ask(
        "select topic_id, query_id, batch_id, state, start_offsets, end_offsets, models, policy_version, verdicts,"
        " rejected from batches order by min(opened_at) over (partition by query_id), batch_id"
    )
    found = [Counter(_rows(table, ("topic", "batch_id"))) for table in (verdicts, quarantine)]
    claimed: list[Counter[tuple[str, int]]] = [Counter(), Counter()]
    ends: dict[str, dict[str, int]] = {}
    last: dict[str, int] = {}
    for topic_id, query, batch, state, start, end, _models, _policy, n_verdicts, n_rejected in ledger:
        assert state == "done", f"batch {batch} is {state}"
        assert start == ends.get(topic_id, dict.fromkeys(end, 0)), "a gap or an overlap in the ledger"
        assert batch == last.get(query, -1) + 1, "a batch is missing"
        ends[topic_id], last[query] = end, batch
        claimed[0][world.settings.stream.input_topic, batch] += n_verdicts
        claimed[1][world.settings.stream.input_topic, batch] += n_rejected
    assert [+counter for counter in claimed] == found
    pinned = {(query, batch): (models, policy) for _, query, batch, _, _, _, models, policy, _, _ in ledger}
    if len(last) == 1:
        _assert_pins({batch: pins for (_, batch), pins in pinned.items()}, verdicts)


def _assert_pins(pinned: dict[int, tuple[dict[str, str], str]], verdicts: pa.Table) -> None:
    """Every verdict was made by the models and the policy of its batch."""
    columns = ("batch_id", "attack_model_hash", "threat_model_hash", "policy_version")
    for batch, attack, threat, policy in set(_rows(verdicts, columns)):
        models, version = pinned[batch]
        assert attack in (None, *(key for contract, key in models.items() if contract.startswith("attack/")))
        assert threat in (None, *(key for contract, key in models.items() if contract.startswith("threat/")))
        assert policy == version
