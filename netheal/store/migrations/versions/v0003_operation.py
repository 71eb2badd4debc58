"""What operators need: the state that the job reports of itself, the outages there were, and failing batches."""

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

BATCH_ATTEMPTS = """
alter table batches
    add column attempts integer not null default 1,
    add column failure text not null default '';
"""


def upgrade() -> None:
    """The job's state by topic, the history of outages, and how often a batch was tried."""
    for statements in (STREAM_STATES, OUTAGES, BATCH_ATTEMPTS):
        op.execute(statements)
