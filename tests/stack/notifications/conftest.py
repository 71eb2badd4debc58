"""A migrated database for each test, and what the stream, its alerts and its outages leave in it."""

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg2.extras import Json

from netheal.contracts import attack_classes
from netheal.errors import NethealError
from netheal.notifications.channel import DeliveryFailed
from netheal.notifications.collection import collect
from netheal.notifications.message import Message
from netheal.notifications.source import Source
from netheal.store.database import Connection, connect, migrate, transaction
from netheal.store.notifications import Notification
from netheal.store.partitions import ensure_partitions
from tests.stack.conftest import Services

TOPIC = "flows"
_NUMBERS = itertools.count()
_ROWS = """
insert into verdicts (event_id, recorded_at, batch_id, is_attack, attack_class_id, action_type, action_status, src_ip,
    dst_ip)
select (%(first)s + i) * 1024 + %(partition)s, %(at)s + i * interval '1 ms', 0, true, %(class_id)s, %(action)s,
    'logged', '10.0.' || (i %% %(sources)s / 250) || '.' || (i %% %(sources)s %% 250), '192.0.2.1'
from generate_series(0, %(rows)s - 1) i
"""


class Outbox:
    """Collects a source, and reads what is new in the outbox."""

    def __init__(self, connection: Connection, source: Source) -> None:
        self._connection, self._source, self._last = connection, source, 0

    def collected(self) -> list[Notification]:
        collect(self._connection, [self._source], datetime.now(UTC))
        with transaction(self._connection) as cursor:
            cursor.execute(
                "select source, severity, subject, title, n, first_at, last_at, details, id from notifications"
                " where id > %s order by id",
                (self._last,),
            )
            found = [Notification(*row) for row in cursor.fetchall()]
        self._last = max((of.id for of in found), default=self._last)
        return found


class Stream:
    """Puts rows where the job puts them, and says that they are done."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._ends: dict[str, dict[str, int]] = {}
        self.topic_id = ""
        self.base = 0

    def make_topic(self, topic_id: str, base: int = 0) -> None:
        """An incarnation of the topic."""
        self.topic_id, self.base = topic_id, base
        self._ends[topic_id] = {"0": 0, "1": 0}
        with transaction(self.connection) as cursor:
            cursor.execute(
                "insert into topics (topic, topic_id, offset_base, adopted_at) values (%s, %s, %s, clock_timestamp())",
                (TOPIC, topic_id, base),
            )

    def rows(
        self,
        count: int,
        name: str | None = "PortScan",
        sources: int = 5,
        partition: int = 0,
        action: str = "alert_admin",
    ) -> None:
        """Rows that are not done yet."""
        ends = self._ends[self.topic_id]
        found = {
            "first": self.base + ends[str(partition)],
            "partition": partition,
            "at": datetime.now(UTC) - timedelta(seconds=10),
            "class_id": None if name is None else attack_classes().id_of(name),
            "action": action,
            "rows": count,
            "sources": sources,
        }
        with transaction(self.connection) as cursor:
            cursor.execute(_ROWS, found)
        ends[str(partition)] += count

    def finish(self) -> None:
        """Close the batch of all rows that there are."""
        with transaction(self.connection) as cursor:
            cursor.execute(
                "update topics set done_offsets = %s where topic_id = %s",
                (Json(self._ends[self.topic_id]), self.topic_id),
            )


class Recorder:
    """A channel that keeps what it is given, or fails as long as it has a reason to."""

    def __init__(self, name: str = "webhook") -> None:
        self.name = name
        self.failure = ""
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        if self.failure:
            raise DeliveryFailed(self.failure)
        self.messages.append(message)


class Killed(NethealError):
    """What stands for a kill."""


@pytest.fixture
def dsn(services: Services) -> str:
    found = services.new_database(f"notify{os.getpid()}_{next(_NUMBERS)}")
    migrate(found)
    return found


@pytest.fixture
def database(dsn: str) -> Iterator[Connection]:
    connection = connect(dsn)
    ensure_partitions(connection)
    yield connection
    connection.close()


@pytest.fixture
def stream(database: Connection) -> Stream:
    found = Stream(database)
    found.make_topic("first")
    return found
