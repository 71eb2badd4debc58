"""The counts, read: in total, over the last minutes, and minute by minute, all as of one moment."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from netheal.contracts.verdict import ClassShare, class_shares, percentage
from netheal.store.database import Connection, Cursor
from netheal.store.read_transaction import read_transaction

Counts = Mapping[str, Mapping[str, int]]
"""Kind -> name -> rows; the kinds are those of `verdicts.counts`."""

_MINUTE = timedelta(minutes=1)
_RATE_TOO_EARLY_S = 5.0
"""A minute that has just begun has no rate yet."""
_PACE_S = 12.0
_PACE_BATCHES = 500
"""More than there are in `_PACE_S`; found by the index on `opened_at`."""


@dataclass(frozen=True)
class RowCounts:
    """Rows that were counted together."""

    counts: Counts = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, int]:
        """Rows of a kind, by name."""
        return dict(self.counts.get(kind, {}))

    @property
    def attacks(self) -> int:
        """Scored rows that are an attack."""
        return self.of("prediction").get("attack", 0)

    @property
    def normal(self) -> int:
        """Scored rows that are none."""
        return self.of("prediction").get("normal", 0)

    @property
    def predictions(self) -> int:
        """Scored rows."""
        return self.attacks + self.normal

    @property
    def rejected(self) -> int:
        """Rows that were not scored."""
        return sum(self.of("rejected").values())

    @property
    def attack_rate(self) -> float | None:
        """Per cent of the scored rows that are attacks; None where none was scored."""
        return percentage(self.attacks, self.predictions)

    @property
    def attacks_by_class(self) -> tuple[ClassShare, ...]:
        """All attacks, by class, with what is unclassified."""
        return class_shares(self.attacks, self.of("class"))


@dataclass(frozen=True)
class MinuteOfTraffic:
    """What the stream counted in one minute of the records' own time."""

    minute: datetime
    rows: RowCounts

    def rows_per_s(self, now: datetime) -> float | None:
        """Scored rows a second, of what is over of the minute; None where that is too little to tell."""
        seconds = min(_MINUTE, now - self.minute).total_seconds()
        return self.rows.predictions / seconds if seconds >= _RATE_TOO_EARLY_S else None


@dataclass(frozen=True)
class Summary:
    """Everything as of one moment: the minutes, and so the window, never have more than the total."""

    total: RowCounts
    timeline: list[MinuteOfTraffic]
    verdicts_per_s: float

    @property
    def window(self) -> RowCounts:
        """The timeline's minutes together."""
        return rows_of(self.timeline)


def rows_of(minutes: Iterable[MinuteOfTraffic]) -> RowCounts:
    """The rows of these minutes together."""
    return RowCounts(_added(minute.rows.counts for minute in minutes))


def read_totals(connection: Connection) -> RowCounts:
    """Rows ever counted; as many are read as there are names, however many were counted."""
    with read_transaction(connection) as cursor:
        return total_counts(cursor)


def read_minutes(connection: Connection, now: datetime, minutes: int) -> list[MinuteOfTraffic]:
    """The last `minutes` minutes up to and with the one of `now`, oldest first; minutes without rows are there, too."""
    with read_transaction(connection) as cursor:
        return _timeline(cursor, now, minutes)


def read_summary(connection: Connection, topic: str, now: datetime, minutes: int) -> Summary:
    """The total, the last `minutes` minutes and the pace, of one snapshot of the database."""
    with read_transaction(connection, snapshot=True) as cursor:
        return Summary(total_counts(cursor), _timeline(cursor, now, minutes), verdicts_per_s(cursor, topic))


def total_counts(cursor: Cursor) -> RowCounts:
    """Rows ever counted, in the caller's transaction."""
    cursor.execute("select kind, name, n from total_counts")
    return RowCounts(by_kind(cursor.fetchall()))


def verdicts_per_s(cursor: Cursor, topic: str) -> float:
    """Rows scored a second, in the caller's transaction.

    Of the micro-batches done in the last 12 s, from when the first of them began until now.
    """
    cursor.execute(
        "select coalesce(sum(verdicts) / extract(epoch from clock_timestamp() - min(opened_at)), 0)::float8 from"
        " (select * from batches where topic = %s order by opened_at desc, query_id desc, batch_id desc limit %s) b"
        " where state = 'done' and closed_at > clock_timestamp() - make_interval(secs => %s)",
        (topic, _PACE_BATCHES, _PACE_S),
    )
    (found,) = cursor.fetchone() or (0.0,)
    return float(found)


def _timeline(cursor: Cursor, now: datetime, minutes: int) -> list[MinuteOfTraffic]:
    last = now.replace(second=0, microsecond=0)
    first = last - (minutes - 1) * _MINUTE
    cursor.execute("select minute, kind, name, n from minute_counts where minute between %s and %s", (first, last))
    found: dict[datetime, list[tuple[str, str, int]]] = defaultdict(list)
    for minute, *row in cursor.fetchall():
        found[minute].append(tuple(row))
    each = (first + at * _MINUTE for at in range(minutes))
    return [MinuteOfTraffic(minute, RowCounts(by_kind(found.get(minute, [])))) for minute in each]


def by_kind(rows: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """(kind, name, rows) as `Counts`; what is there twice is added."""
    kinds: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, name, n in rows:
        kinds[kind][name] = kinds[kind].get(name, 0) + n
    return dict(kinds)


def _added(parts: Iterable[Counts]) -> dict[str, dict[str, int]]:
    return by_kind((kind, name, n) for counts in parts for kind, names in counts.items() for name, n in names.items())
