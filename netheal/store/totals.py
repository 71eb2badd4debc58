"""The counts, read: in total, and a minute."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from netheal.store.bounded import bounded
from netheal.store.database import Connection

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Totals:
    """Rows ever counted, by name, of each kind."""

    prediction: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)

    @property
    def attacks(self) -> int:
        """Verdicts that are an attack."""
        return self.prediction.get("attack", 0)

    @property
    def normal(self) -> int:
        """Verdicts that are none."""
        return self.prediction.get("normal", 0)


@dataclass(frozen=True)
class MinuteOfTraffic:
    """What the stream counted in one minute of the records' own time."""

    minute: datetime
    attacks: int
    normal: int
    classes: dict[str, int]


def read_totals(connection: Connection) -> Totals:
    """As many rows are read as there are names, however many were counted."""
    with bounded(connection) as cursor:
        cursor.execute("select kind, name, n from total_counts where kind in ('prediction', 'class', 'rejected')")
        kinds: dict[str, dict[str, int]] = defaultdict(dict)
        for kind, name, n in cursor.fetchall():
            kinds[kind][name] = n
    return Totals(kinds["prediction"], kinds["class"], kinds["rejected"])


def read_minutes(connection: Connection, now: datetime, minutes: int) -> list[MinuteOfTraffic]:
    """The last `minutes` minutes up to and with the one of `now`, oldest first; minutes without rows are there, too."""
    last = now.replace(second=0, microsecond=0)
    first = last - (minutes - 1) * _MINUTE
    with bounded(connection) as cursor:
        cursor.execute(
            "select minute, kind, name, n from minute_counts where minute between %s and %s"
            " and kind in ('prediction', 'class')",
            (first, last),
        )
        counted: dict[tuple[datetime, str], dict[str, int]] = defaultdict(dict)
        for minute, kind, name, n in cursor.fetchall():
            counted[minute, kind][name] = n
    return [_minute(first + at * _MINUTE, counted) for at in range(minutes)]


def _minute(minute: datetime, counted: dict[tuple[datetime, str], dict[str, int]]) -> MinuteOfTraffic:
    verdicts = counted.get((minute, "prediction"), {})
    classes = counted.get((minute, "class"), {})
    return MinuteOfTraffic(minute, verdicts.get("attack", 0), verdicts.get("normal", 0), classes)
