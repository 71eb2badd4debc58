"""Windows of drift: what was counted of a model's traffic, and what became of it."""

from alembic import op

revision = "0006"
down_revision = "0005"

DRIFT_WINDOWS = """
create table drift_windows (
    id bigint generated always as identity primary key,
    contract_id text not null,
    bundle_hash text not null,
    opened_at timestamptz not null default clock_timestamp(),
    closed_at timestamptz,
    rows bigint not null default 0,
    counts bigint[] not null,
    state text check (state in ('ok', 'note', 'alarm')),
    mean_psi double precision,
    feature_psi double precision[],
    score_psi double precision,
    class_psi double precision,
    unknown_share double precision,
    rejected_share double precision,
    novel_share double precision,
    at_fault text[],
    check ((closed_at is null) = (state is null))
);
create unique index one_open_window_a_bundle on drift_windows (bundle_hash) where closed_at is null;
create index closed_windows_by_bundle on drift_windows (bundle_hash, id) where closed_at is not null;
create index closed_windows on drift_windows (closed_at) where closed_at is not null;
"""


def upgrade() -> None:
    """At most one window of a bundle is open; a batch adds to it in the transaction that closes the batch."""
    op.execute(DRIFT_WINDOWS)
