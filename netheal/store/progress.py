"""How far the stream is, as the ledger and the counts have it: what health, metrics and the terminal look at."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from alembic.config import Config
from alembic.script import ScriptDirectory

from netheal.errors import StreamRefused
from netheal.kafka.offsets import Offsets
from netheal.store.database import Connection, Cursor, transaction
from netheal.store.drift import ActiveDrift, last_judged
from netheal.store.notifications import ChannelState, channel_states
from netheal.store.outages import Outage, outages_of_last_day
from netheal.store.stream_state import StreamState, read_state
from netheal.store.topics import done_offsets
from netheal.store.totals import RowCounts, total_counts


@dataclass(frozen=True)
class ActiveVersion:
    """An active model, as its verdicts name it, and what became of rows in the last minutes that it was active.

    `rows`: how many a model of its type scored, `arrived`: how many there were in all, rejected ones among them.
    `unserved`: why rows were rejected for want of a model. `activated_at` is None where it was not recorded.
    """

    model_type: str
    version: str
    bundle_hash: str
    contract_id: str = ""
    rows: int = 0
    unserved: tuple[str, ...] = ()
    arrived: int = 0
    activated_at: datetime | None = None


@dataclass(frozen=True)
class Progress:
    """One look. `opened_age_s` and `closed_age_s`: seconds since a batch was last begun and done, None for never.

    `batches` are the micro-batches of the streaming query, as Spark numbers them from its checkpoint's first on; the
    last one that is done had `last_rows` rows and took `last_s` seconds. `rows` are all rows ever counted. `stream` is
    what the job last said of itself, None where no job ever did; `outages` are those of the last day, `drift` the last
    judged windows of active models, `channels` those by which people are told.
    """

    revision: str = ""
    done_offsets: Offsets = field(default_factory=dict)
    opened_age_s: float | None = None
    closed_age_s: float | None = None
    batches: int = 0
    last_rows: int = 0
    last_s: float = 0.0
    rows: RowCounts = field(default_factory=RowCounts)
    active: tuple[ActiveVersion, ...] = ()
    stream: StreamState | None = None
    outages: tuple[Outage, ...] = ()
    drift: tuple[ActiveDrift, ...] = ()
    channels: tuple[ChannelState, ...] = ()


@cache
def head_revision() -> str:
    """The migration that this code's tables are at."""
    config = Config()
    config.set_main_option("script_location", "netheal.store:migrations")
    return ScriptDirectory.from_config(config).get_current_head() or ""


def require_head(connection: Connection) -> None:
    """Raises StreamRefused where the tables are not those of this version, or not there."""
    with transaction(connection) as cursor:
        wrong = wrong_tables(found_revision(cursor))
    if wrong:
        raise StreamRefused(wrong)


def wrong_tables(revision: str) -> str:
    """What is wrong with tables of this revision ("" for none), and what to do; empty where nothing is."""
    head = head_revision()
    if revision == head:
        return ""
    if not revision:
        return f"the tables are not made yet, this netheal needs {head}: start the streaming job, which makes them"
    if revision > head:
        return f"the tables are of revision {revision}, a newer netheal's, this one needs {head}: use the newer version"
    return f"the tables are of revision {revision}, this netheal needs {head}: start the job or the API of this version"


def found_revision(cursor: Cursor) -> str:
    """The migration that the tables are at, in the caller's transaction; empty where there are none."""
    cursor.execute("select to_regclass('alembic_version') is not null")
    if cursor.fetchone() != (True,):
        return ""
    cursor.execute("select version_num from alembic_version")
    (revision,) = cursor.fetchone() or ("",)
    return str(revision)


_LAST_DONE = (
    "select extract(epoch from now() - b.closed_at)::float8, b.batch_id + 1, b.verdicts + b.rejected,"
    " extract(epoch from b.closed_at - b.opened_at)::float8 from batches b where b.state = 'done'"
    " and b.topic = %(topic)s and b.topic_id ="
    " (select topic_id from topics where topic = %(topic)s order by adopted_at desc limit 1)"
    " order by b.opened_at desc limit 1"
)


def read_progress(connection: Connection, topic: str) -> Progress:
    """One look; raises ServiceUnavailable where Postgres is not there. Tables of another revision are not read."""
    with transaction(connection) as cursor:
        revision = found_revision(cursor)
        if revision != head_revision():
            return Progress(revision)
        done = done_offsets(cursor, topic)
        cursor.execute(_LAST_DONE, {"topic": topic})
        closed_age_s, batches, last_rows, last_s = cursor.fetchone() or (None, 0, 0, 0.0)
        cursor.execute(
            "select extract(epoch from now() - max(opened_at))::float8 from batches where topic = %s", (topic,)
        )
        (opened_age_s,) = cursor.fetchone() or (None,)
        rows = total_counts(cursor)
        active = _active(cursor)
        outages, drift = tuple(outages_of_last_day(cursor)), last_judged(cursor)
        channels = tuple(channel_states(cursor))
    stream = read_state(connection, topic)
    return Progress(
        revision=revision,
        done_offsets=done,
        opened_age_s=opened_age_s,
        closed_age_s=closed_age_s,
        batches=batches,
        last_rows=last_rows,
        last_s=last_s,
        rows=rows,
        active=active,
        stream=stream,
        outages=outages,
        drift=drift,
        channels=channels,
    )


def _active(cursor: Cursor) -> tuple[ActiveVersion, ...]:
    cursor.execute(_ACTIVE, {"rejected": _LATEST_REJECTED})
    return tuple(
        ActiveVersion(model_type, version, bundle_hash, contract_id or "", rows, tuple(unserved), arrived, at)
        for model_type, version, bundle_hash, contract_id, rows, unserved, arrived, at in cursor.fetchall()
    )


_LATEST_REJECTED = 500
# Rows are told by what batches counted, which costs the same however many there are; verdicts of the other model could
# hide those of this one. Rejected rows are there before their batch has counted them: then they are not looked at yet.
_ACTIVE = """
select
    m.model_type,
    m.model_version,
    m.bundle_hash,
    m.manifest -> 'contract' ->> 'id',
    (
        select coalesce(sum(c.n), 0)::bigint from minute_counts c
        where c.minute >= date_trunc('minute', m.watched_since)
        and c.kind = case m.model_type when 'threat_detector' then 'threat' else 'class' end
    ),
    case when exists (
        select 1 from minute_counts c where c.minute >= date_trunc('minute', m.watched_since)
        and c.kind = 'rejected' and c.name in ('no_active_model', 'no_contract')
    ) then array(
        select distinct latest.detail from (
            select r.reason, r.detail from rejected r
            where r.recorded_at >= m.watched_since order by r.recorded_at desc limit %(rejected)s
        ) latest where latest.reason in ('no_active_model', 'no_contract')
    ) else '{}' end,
    (
        select coalesce(sum(c.n), 0)::bigint from minute_counts c
        where c.minute >= date_trunc('minute', m.watched_since) and c.kind in ('prediction', 'rejected')
    ),
    m.activated_at
from (
    select *, greatest(now() - interval '5 minutes', activated_at) as watched_since from models where state = 'active'
) m
order by m.model_type
"""
