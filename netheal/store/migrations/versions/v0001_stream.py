"""The streaming job's tables: serving rows, counts, ledger, models."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create table models (
    id bigint generated always as identity primary key,
    model_type text not null check (model_type in ('threat_detector', 'attack_classifier')),
    version text not null,
    state text not null check (state in ('uploaded', 'validated', 'active', 'inactive', 'deleted')),
    bundle_hash text not null,
    manifest jsonb not null,
    created_at timestamptz not null default now(),
    unique (model_type, bundle_hash)
);
create unique index one_active_model_a_type on models (model_type) where state = 'active';

create table policies (
    version text primary key,
    document jsonb not null,
    first_used_at timestamptz not null default now()
);

create table topics (
    topic text not null,
    topic_id text not null,
    offset_base bigint not null,
    adopted_at timestamptz not null default now(),
    primary key (topic, topic_id)
);

create table batches (
    query_id text not null,
    batch_id bigint not null,
    topic text not null,
    topic_id text not null,
    start_offsets jsonb not null,
    end_offsets jsonb not null,
    models jsonb not null,
    policy_version text not null references policies (version),
    state text not null check (state in ('open', 'done')),
    opened_at timestamptz not null default now(),
    closed_at timestamptz,
    verdicts bigint,
    rejected bigint,
    primary key (query_id, batch_id)
);
create index batches_by_topic on batches (topic, topic_id, opened_at);

create table verdicts (
    event_id bigint not null,
    recorded_at timestamptz not null,
    batch_id bigint not null,
    is_attack boolean not null,
    threat_score double precision,
    attack_class_id smallint,
    attack_confidence double precision,
    action_type text not null,
    action_status text not null,
    sensor_id text,
    src_ip text,
    dst_ip text,
    primary key (event_id, recorded_at)
) partition by range (recorded_at);
create table verdicts_default partition of verdicts default;

create table rejected (
    event_id bigint not null,
    recorded_at timestamptz not null,
    batch_id bigint not null,
    topic text not null,
    "partition" integer not null,
    "offset" bigint not null,
    reason text not null,
    field text not null,
    detail text not null,
    head bytea,
    primary key (event_id, recorded_at)
) partition by range (recorded_at);
create table rejected_default partition of rejected default;

create table minute_counts (
    minute timestamptz not null,
    kind text not null,
    name text not null,
    n bigint not null,
    primary key (minute, kind, name)
);
create table total_counts (
    kind text not null,
    name text not null,
    n bigint not null,
    primary key (kind, name)
);
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(TABLES)
