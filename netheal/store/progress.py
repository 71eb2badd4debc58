"""How far the stream is, as the ledger and the counts have it: what health and metrics look at."""

from dataclasses import dataclass, field
from functools import cache

from alembic.config import Config
from alembic.script import ScriptDirectory

from netheal.store.database import Connection, transaction
from netheal.store.ledger import Offsets
from netheal.store.totals import Counts, total_counts


@dataclass(frozen=True)
class ActiveVersion:
    """An active model, as its verdicts name it."""

    model_type: str
    version: str
    bundle_hash: str


@dataclass(frozen=True)
class Progress:
    """One look. `opened_age_s` and `closed_age_s`: seconds since a batch was last begun and done, None for never."""

    revision: str
    done_offsets: Offsets = field(default_factory=dict)
    opened_age_s: float | None = None
    closed_age_s: float | None = None
    last_rows: int = 0
    last_s: float = 0.0
    counts: Counts = field(default_factory=dict)
    active: tuple[ActiveVersion, ...] = ()


@cache
def head_revision() -> str:
    """The migration that this code's tables are at."""
    config = Config()
    config.set_main_option("script_location", "netheal.store:migrations")
    return ScriptDirectory.from_config(config).get_current_head() or ""


_DONE = (
    "select b.end_offsets, extract(epoch from now() - b.closed_at)::float8, b.verdicts + b.rejected,"
    " extract(epoch from b.closed_at - b.opened_at)::float8 from batches b where b.state = 'done'"
    " and b.topic = %(topic)s and b.topic_id ="
    " (select topic_id from topics where topic = %(topic)s order by adopted_at desc limit 1)"
    " order by b.opened_at desc limit 1"
)


def read_progress(connection: Connection, topic: str) -> Progress:
    """One look; raises ServiceUnavailable where Postgres is not there. Tables of another revision are not read."""
    with transaction(connection) as cursor:
        cursor.execute("select to_regclass('alembic_version') is not null")
        if cursor.fetchone() != (True,):
            return Progress(revision="")
        cursor.execute("select version_num from alembic_version")
        (revision,) = cursor.fetchone() or ("",)
        if revision != head_revision():
            return Progress(revision)
        cursor.execute(_DONE, {"topic": topic})
        offsets, closed_age_s, rows, seconds = cursor.fetchone() or ({}, None, 0, 0.0)
        cursor.execute(
            "select extract(epoch from now() - max(opened_at))::float8 from batches where topic = %s", (topic,)
        )
        (opened_age_s,) = cursor.fetchone() or (None,)
        counts = total_counts(cursor).counts
        cursor.execute(
            "select model_type, model_version, bundle_hash from models where state = 'active' order by model_type"
        )
        active = tuple(ActiveVersion(*row) for row in cursor.fetchall())
    return Progress(revision, offsets, opened_age_s, closed_age_s, rows, seconds, counts, active)
