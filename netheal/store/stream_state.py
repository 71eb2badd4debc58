"""What the streaming job says of itself: one row a topic, renewed every few seconds while the job lives."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg2.extras import Json

from netheal.store.database import Connection, transaction

State = Literal["starting", "running", "retrying", "refused", "stopped"]

HEARTBEAT_S = 3.0
"""How often a job that lives renews its row."""
HEARTBEAT_LATE_S = 15.0
"""Above this age the job is taken for dead or frozen."""


@dataclass(frozen=True)
class StreamState:
    """The last report. `reason` is a sentence for a person: what is awaited, what failed, and what to do.

    `details` names the batch at fault where there is one: `batch_id`, `offsets` (a list of
    `{"partition", "start", "end"}`, end exclusive), `attempts`.
    """

    state: State
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    heartbeat_age_s: float = 0.0
    since_age_s: float = 0.0
    heartbeat_at: datetime | None = None

    @property
    def alive(self) -> bool:
        """Whether the job has reported lately, and has not ended."""
        return not self.ended and self.heartbeat_age_s < HEARTBEAT_LATE_S

    @property
    def ended(self) -> bool:
        """Whether the job said that it ends; its heartbeat then stops for good."""
        return self.state in ("refused", "stopped")


def report_state(
    connection: Connection, topic: str, state: State, reason: str = "", details: dict[str, Any] | None = None
) -> None:
    """Write the job's row; `since` changes with the state or its reason, the heartbeat always."""
    with transaction(connection) as cursor:
        cursor.execute(_REPORT, {"topic": topic, "state": state, "reason": reason, "details": Json(details or {})})


def read_state(connection: Connection, topic: str) -> StreamState | None:
    """The last report of the job of a topic; None where no job ever reported."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select state, reason, details, since, extract(epoch from clock_timestamp() - heartbeat_at)::float8,"
            " extract(epoch from clock_timestamp() - since)::float8, heartbeat_at from stream_states where topic = %s",
            (topic,),
        )
        row = cursor.fetchone()
    return None if row is None else StreamState(*row)


_REPORT = """
insert into stream_states as s (topic, state, reason, details)
values (%(topic)s, %(state)s, %(reason)s, %(details)s)
on conflict (topic) do update set
    state = excluded.state,
    reason = excluded.reason,
    details = excluded.details,
    since = case when (s.state, s.reason) = (excluded.state, excluded.reason) then s.since else excluded.since end,
    heartbeat_at = excluded.heartbeat_at
"""
