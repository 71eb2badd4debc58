"""Replays of rejected rows: which event was tried by which batch of a replay, and what became of it."""

from alembic import op

revision = "0005"
down_revision = "0004"

REPLAYS = """
create table replay_batches (
    id bigint primary key,
    run_id text not null,
    models jsonb not null,
    policy_version text not null references policies (version),
    state text not null check (state in ('open', 'done')),
    opened_at timestamptz not null default clock_timestamp(),
    closed_at timestamptz,
    accepted bigint,
    rejected bigint
);
create unique index one_open_replay_batch on replay_batches (state) where state = 'open';
create table replayed (
    event_id bigint primary key,
    recorded_at timestamptz not null,
    replay_batch_id bigint not null references replay_batches (id),
    result text not null check (result in ('open', 'accepted', 'rejected')),
    reason text not null default '',
    detail text not null default '',
    replayed_at timestamptz
);
create index replayed_by_batch on replayed (replay_batch_id);
"""


def upgrade() -> None:
    """An event stands in `replayed` once, so that it is accepted at most once."""
    op.execute(REPLAYS)
