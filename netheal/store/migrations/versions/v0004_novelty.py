"""How new each row was to the models that scored it; rows from before have null."""

from alembic import op

revision = "0004"
down_revision = "0003"

NOVELTY = """
alter table verdicts
    add column threat_novelty double precision,
    add column threat_is_novel boolean,
    add column attack_novelty double precision,
    add column attack_is_novel boolean;
"""


def upgrade() -> None:
    """Null without a default rewrites no row, and takes the partitions along."""
    op.execute(NOVELTY)
