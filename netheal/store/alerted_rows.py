"""Rows whose action alerts an administrator, counted by what they have in common, in the order the stream ends them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from netheal.contracts.event_id import event_id
from netheal.kafka.offsets import Offsets
from netheal.store.database import Cursor


@dataclass(frozen=True)
class OffsetSpan:
    """The rows of one partition from an offset on, up to another that is not among them; offset bases are included."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True)
class AlertedRows:
    """Rows of one class (None: of none) and model. The most frequent addresses are as they came, or None.

    `examples` are event ids, the newest first, three at most.
    """

    attack_class_id: int | None
    model_version: str | None
    rows: int
    sources: int
    targets: int
    top_source: str | None
    top_target: str | None
    first_at: datetime
    last_at: datetime
    examples: list[int]


def done_by_topic_id(cursor: Cursor, topic: str) -> dict[str, tuple[int, Offsets]]:
    """Of each incarnation of a topic, the oldest first: its offset base, and up to where every sink has its rows."""
    cursor.execute(
        "select topic_id, offset_base, done_offsets from topics where topic = %s order by adopted_at", (topic,)
    )
    return {topic_id: (base, dict(done)) for topic_id, base, done in cursor.fetchall()}


def count_alerted_rows(cursor: Cursor, spans: Sequence[OffsetSpan]) -> list[AlertedRows]:
    """The rows of these spans that alert somebody, read off their index, the most numerous first."""
    parts, firsts, ends = [], [], []
    for span in spans:
        parts.append(span.partition)
        firsts.append(event_id(span.partition, span.start))
        ends.append(event_id(span.partition, span.end))
    found: dict[str, Any] = {"parts": parts, "firsts": firsts, "ends": ends}
    cursor.execute(_COUNT, found)
    return [AlertedRows(*row) for row in cursor.fetchall()]


_COUNT = """
select
    f.attack_class_id, m.model_version, f.n, f.sources, f.targets, f.top_source, f.top_target,
    f.first_at, f.last_at, f.examples
from (
    select
        v.attack_class_id, v.model_id, count(*) as n,
        count(distinct v.src_ip) as sources, count(distinct v.dst_ip) as targets,
        mode() within group (order by v.src_ip) as top_source, mode() within group (order by v.dst_ip) as top_target,
        min(v.recorded_at) as first_at, max(v.recorded_at) as last_at,
        (array_agg(v.event_id order by v.event_id desc))[1:3] as examples
    from unnest(%(parts)s::bigint[], %(firsts)s::bigint[], %(ends)s::bigint[]) as span (part, first, past)
    cross join lateral (
        select attack_class_id, coalesce(attack_model_id, threat_model_id) as model_id, src_ip, dst_ip, recorded_at,
            event_id
        from verdicts
        where action_type = 'alert_admin' and (event_id & 1023) = span.part
            and event_id >= span.first and event_id < span.past
    ) v
    group by v.attack_class_id, v.model_id
) f
left join models m on m.id = f.model_id
order by f.n desc
"""
