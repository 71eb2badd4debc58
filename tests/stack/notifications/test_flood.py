"""100,000 rows a minute that alert somebody: a handful of messages, all rows counted, little work for Postgres."""

import time
from datetime import UTC, datetime

import pytest

from netheal.notifications.alert_actions import AlertActions
from netheal.notifications.collection import collect
from netheal.notifications.delivery import Delivery
from netheal.notifications.rate_limit import RateLimit
from netheal.store.database import Connection, transaction
from netheal.store.notifications import register_channels
from tests.stack.notifications.conftest import TOPIC, Recorder, Stream

pytestmark = pytest.mark.stack
WINDOWS, ROWS = 4, 25_000
CLASSES = ("PortScan", "Bot", "Web Attack – XSS", "Infiltration", None)
COLLECT_S = 5.0
"""So long a look at a window may take on a machine under load; measured: 0.03 s."""


def test_a_flood_gives_a_handful_of_messages_that_add_up(database: Connection, stream: Stream) -> None:
    source, channel = AlertActions(TOPIC), Recorder()
    with transaction(database) as cursor:
        register_channels(cursor, [channel.name])
    collect(database, [source], datetime.now(UTC))
    delivery = Delivery(channel, RateLimit(5, 60), database)
    for _ in range(WINDOWS):
        for partition in (0, 1):
            for name in CLASSES:
                rows = ROWS // len(CLASSES) // 2
                stream.rows(rows, name, sources=60_000, partition=partition)
        stream.finish()
        began = time.perf_counter()
        collect(database, [source], datetime.now(UTC))
        took_s = time.perf_counter() - began
        print(f"a look at {ROWS:,} rows: {took_s:.2f} s")
        assert took_s < COLLECT_S
        while delivery.step():
            pass
    assert len(channel.messages) == 5
    with transaction(database) as cursor:
        cursor.execute("select sum(n), count(*) from notifications")
        assert cursor.fetchone() == (WINDOWS * ROWS, WINDOWS * len(CLASSES))


def test_rows_are_read_off_their_index(database: Connection, stream: Stream) -> None:
    source = AlertActions(TOPIC)
    collect(database, [source], datetime.now(UTC))
    for count, action in ((20_000, "log_only"), (500, "alert_admin"), (20_000, "log_only")):
        stream.rows(count, action=action)
    stream.finish()
    with transaction(database) as cursor:
        cursor.execute("analyze verdicts")
    assert rows_read_off_the_index(database) == 0
    collect(database, [source], datetime.now(UTC))
    assert rows_read_off_the_index(database) == 500


def rows_read_off_the_index(connection: Connection) -> int:
    """Entries of `verdicts_alerts` that were ever read."""
    with transaction(connection) as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
    with transaction(connection) as cursor:
        cursor.execute(
            "select sum(s.idx_tup_read) from pg_stat_user_indexes s join pg_inherits i on i.inhrelid = s.indexrelid"
            " where i.inhparent = 'verdicts_alerts'::regclass"
        )
        (found,) = cursor.fetchone() or (0,)
    return int(found)
