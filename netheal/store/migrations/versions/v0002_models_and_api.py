"""What the registry and the API need: model history, tokens, uploads, and verdicts that can be paged and named."""

from alembic import op

revision = "0002"
down_revision = "0001"

REGISTRY = """
alter table models rename column version to model_version;
alter table models
    add column version text,
    add column description text not null default '',
    add column source_name text not null default '',
    add column source_bytes bigint,
    add column created_by text not null default 'netheal',
    add column profile jsonb,
    add column validation jsonb,
    add column card text,
    add column activated_at timestamptz,
    add column artefact_deleted_at timestamptz;
update models set version = to_char(created_at at time zone 'UTC', 'YYYYMMDD_HH24MISS');
alter table models alter column version set not null;
alter table models add unique (model_type, version);

create table model_events (
    id bigint generated always as identity primary key,
    model_id bigint references models (id),
    model_type text not null,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    from_state text,
    to_state text,
    rollback boolean not null default false,
    why text not null default ''
);
create index model_events_by_model on model_events (model_id, id);
create index model_events_by_type on model_events (model_type, id);
insert into model_events (model_id, model_type, actor, from_state, to_state, why)
    select id, model_type, 'netheal', null, state, 'starter model' from models;

create table alerts (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    action_type text not null default 'alert_admin',
    description text not null,
    params jsonb not null,
    status text not null default 'logged',
    model_id bigint references models (id)
);

create table tokens (
    id bigint generated always as identity primary key,
    name text not null unique,
    role text not null check (role in ('viewer', 'analyst', 'operator', 'admin')),
    sha256 bytea not null unique,
    created_at timestamptz not null default now(),
    created_by text not null,
    expires_at timestamptz,
    revoked_at timestamptz
);
"""

UPLOADS = """
create sequence upload_rows;
create table uploads (
    id bigint generated always as identity primary key,
    batch_id text not null unique,
    uploaded_at timestamptz not null default now(),
    actor text not null,
    source_name text not null,
    models jsonb not null,
    policy_version text not null references policies (version),
    state text not null check (state in ('open', 'done')),
    total_rows bigint,
    verdicts bigint,
    rejected bigint
);
"""

SERVING = """
alter table verdicts
    add column threat_model_id integer,
    add column attack_model_id integer,
    add column action_description text,
    add column action_params text;
alter table verdicts drop constraint verdicts_pkey;
alter table verdicts add primary key (recorded_at, event_id);
create index verdicts_by_event on verdicts using brin (event_id int8_minmax_multi_ops)
    with (pages_per_range = 32, autosummarize = on);
create index verdicts_attacks on verdicts (attack_class_id, recorded_at, event_id) where is_attack;
alter table rejected drop constraint rejected_pkey;
alter table rejected add primary key (recorded_at, event_id);
create index batches_newest on batches (opened_at, query_id, batch_id);
"""


def upgrade() -> None:
    """Models get a life, tokens and uploads a table, verdicts an order in time."""
    for statements in (REGISTRY, UPLOADS, SERVING):
        op.execute(statements)
