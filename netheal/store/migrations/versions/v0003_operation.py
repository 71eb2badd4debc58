"""What operators need: the state that the job reports of itself, and the outages there were."""

from alembic import op

revision = "0003"
down_revision = "0002"

STREAM_STATES = """
create table stream_states (
    topic text primary key,
    state text not null check (state in ('starting', 'running', 'retrying', 'refused', 'stopped')),
    reason text not null default '',
    details jsonb not null default '{}',
    since timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp()
);
"""

OUTAGES = """
create table outages (
    id bigint generated always as identity primary key,
    subject text not null,
    reason text not null,
    details jsonb not null default '{}',
    started_at timestamptz not null,
    ended_at timestamptz
);
create unique index one_open_outage_a_subject on outages (subject) where ended_at is null;
"""


def upgrade() -> None:
    """The job's state by topic, and the history of outages."""
    for statements in (STREAM_STATES, OUTAGES):
        op.execute(statements)
