"""What people are told: notifications, how far each source and each channel is, and the messages that were sent."""

from alembic import op

revision = "0007"
down_revision = "0006"

NOTIFICATIONS = """
create table notifications (
    id bigint generated always as identity primary key,
    created_at timestamptz not null default clock_timestamp(),
    source text not null,
    severity text not null check (severity in ('info', 'warning', 'error')),
    subject text not null,
    title text not null,
    n bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    details jsonb not null
);
create index notifications_by_time on notifications (created_at);
create table notification_sources (
    source text primary key,
    position jsonb not null,
    collected_at timestamptz not null
);
create table notification_channels (
    channel text primary key,
    last_id bigint not null,
    sent bigint not null default 0,
    failed bigint not null default 0,
    tries integer not null default 0,
    failing_since timestamptz,
    failure text not null default '',
    next_try_at timestamptz
);
create table notification_messages (
    id bigint generated always as identity primary key,
    channel text not null,
    sent_at timestamptz not null,
    first_id bigint not null,
    last_id bigint not null
);
create index notification_messages_by_channel on notification_messages (channel, sent_at);
"""

# 1023 is PARTITIONS_PER_TOPIC - 1 of netheal.contracts.event_id: a row's partition is its id's low bits.
ALERTED_ROWS = """
create index verdicts_alerts on verdicts ((event_id & 1023), event_id) where action_type = 'alert_admin';
"""


def upgrade() -> None:
    """Rows that alert somebody get an index in the order in which the stream finishes them."""
    op.execute(NOTIFICATIONS)
    op.execute(ALERTED_ROWS)
