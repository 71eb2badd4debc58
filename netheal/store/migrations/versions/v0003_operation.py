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

LEDGER_ENDS = """
alter table topics add column done_offsets jsonb not null default '{}', add column last_query_id text;
update topics t set
    last_query_id = (
        select b.query_id from batches b where b.topic = t.topic and b.topic_id = t.topic_id
        order by b.opened_at desc limit 1
    ),
    done_offsets = coalesce((
        select jsonb_object_agg(ends.partition, ends.done) from (
            select e.key as partition, max(e.value::bigint) as done
            from batches b, jsonb_each_text(b.end_offsets) e
            where b.topic = t.topic and b.topic_id = t.topic_id and b.state = 'done'
            group by e.key
        ) ends
    ), '{}');
"""


def upgrade() -> None:
    """The job's state, the history of outages, how often a batch was tried, and where the ledger of each topic ends."""
    for statements in (STREAM_STATES, OUTAGES, BATCH_ATTEMPTS, LEDGER_ENDS):
        op.execute(statements)
