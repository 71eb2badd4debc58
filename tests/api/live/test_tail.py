"""The tail keeps its place, says what it did not read, and outlives a broker that goes away."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import KafkaConsumer

from api.live import tail as module
from api.live.broker import BrokerAway, Record, Source, TopicReader, consumer_options
from api.live.hub import Client, Hub, Limits
from api.live.subscription import Filter, Subscription
from api.live.tail import Tail
from tests.api.live.rows import payload, row

SOURCE = Source("127.0.0.1:1", "out", {})


class Broker:
    """A topic of one partition in memory, which may be away."""

    def __init__(self) -> None:
        self.rows: list[bytes | None] = []
        self.first = 0
        self.away = False
        self.opened = 0

    def open(self, _: Source, positions: dict[int, int]) -> "Reader":
        if self.away:
            raise BrokerAway("the broker does not answer")
        self.opened += 1
        positions.setdefault(0, len(self.rows))
        return Reader(self, positions)


class Reader:
    """`TopicReader`, over the topic in memory."""

    def __init__(self, broker: Broker, positions: dict[int, int]) -> None:
        self._broker = broker
        self._positions = positions

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def poll(self, limit_s: float, most: int) -> list[Record]:
        if self._broker.away:
            raise BrokerAway("the broker does not answer")
        begin = max(self._broker.first, self._positions[0])
        found = [Record(0, n, value) for n, value in enumerate(self._broker.rows)][begin : begin + most]
        if not found:
            time.sleep(0.01)
        return found

    def behind(self) -> dict[int, int]:
        if self._broker.away:
            raise BrokerAway("the broker does not answer")
        return {0: len(self._broker.rows) - self._positions[0]}

    def skip(self, partition: int, rows: int) -> None:
        self._positions[partition] += rows


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(module, "TopicReader", made.open)
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(module, "_POLL_INTERVAL_S", 0.05)
    return made


@pytest.fixture
def hub() -> Hub:
    return Hub(Limits(10, 1e6))


@contextmanager
def running(hub: Hub) -> Iterator[tuple[Tail, Client]]:
    tail, ended = Tail(SOURCE, hub), False
    client = hub.add(Subscription())
    assert client is not None
    tail.ensure(lambda: ended, 5)
    try:
        yield tail, client
    finally:
        ended = True


def collect(client: Client, until: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    limit = time.monotonic() + 10
    while not until(found):
        assert time.monotonic() < limit, found[-3:]
        client.wait(0.05)
        found += [payload(frame) for frame in client.collect(time.monotonic())]
    return found


def test_it_begins_at_the_end_and_gives_what_comes(broker: Broker, hub: Hub) -> None:
    broker.rows += [row(event_id=n) for n in range(5)]
    with running(hub) as (_, client):
        broker.rows += [row(event_id=n) for n in range(5, 9)]
        assert [d["traffic_data_id"] for d in collect(client, lambda found: len(found) == 4)] == [5, 6, 7, 8]


def test_what_was_produced_while_the_broker_was_away_is_not_lost(broker: Broker, hub: Hub) -> None:
    with running(hub) as (_, client):
        broker.away = True
        assert [d["broker"] for d in collect(client, lambda found: len(found) == 1)] == ["away"]
        broker.rows += [row(event_id=n) for n in range(3)]
        broker.away = False
        back, *rows = collect(client, lambda found: len(found) == 4)
        assert back["broker"] == "back"
        assert [d["traffic_data_id"] for d in rows] == [0, 1, 2]


def test_what_retention_removed_is_told_as_skipped(broker: Broker, hub: Hub) -> None:
    with running(hub) as (_, client):
        broker.away = True
        collect(client, lambda found: len(found) == 1)
        broker.rows += [row(event_id=n) for n in range(10)]
        broker.first = 7
        broker.away = False
        found = collect(client, lambda found: sum(d["type"] == "prediction" for d in found) == 3)
        assert [d["skipped"] for d in found if d["type"] == "lag"] == [7]


def test_attacks_at_the_beginning_of_much_to_catch_up_with_are_not_skipped(broker: Broker) -> None:
    hub = Hub(Limits(10, 200))
    attacks = hub.add(Subscription(Filter(only_attacks=True)))
    assert attacks is not None
    with running(hub) as (_, client):
        broker.away = True
        collect(client, lambda found: len(found) == 1)
        broker.rows += [row(event_id=n, class_name="DDoS" if n < 50 else "BENIGN") for n in range(30_000)]
        broker.away = False
        found = collect(client, lambda found: sum(d.get("skipped", 1) for d in found) > 30_000)
        assert [d["traffic_data_id"] for d in found if d["type"] == "prediction"][:50] == list(range(50))
        rows = collect(attacks, lambda found: sum(d["type"] == "prediction" for d in found) == 50)
        assert not [d for d in rows if d["type"] == "lag"]


def test_it_does_not_catch_up_with_more_than_a_bound(broker: Broker, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEHIND_ROWS", 5_000)
    with running(hub) as (_, client):
        broker.away = True
        collect(client, lambda found: len(found) == 1)
        broker.rows += [row(event_id=n) for n in range(6_500)]
        broker.away = False
        found = collect(client, lambda found: any(d["type"] == "lag" for d in found))
        assert sum(d.get("skipped", 0) for d in found) == 1500


def test_what_is_no_prediction_is_counted_and_nothing_else(broker: Broker, hub: Hub) -> None:
    with running(hub) as (_, client):
        broker.rows += [None, b"{", row(event_id=2)]
        assert [d["traffic_data_id"] for d in collect(client, lambda found: len(found) == 1)] == [2]
    assert hub.counts["unreadable"] == 2


def test_it_ends_when_nobody_watches_and_runs_again_for_the_next(
    broker: Broker, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LINGER_S", 0.1)
    with running(hub) as (tail, client):
        hub.remove(client)
        limit = time.monotonic() + 10
        while tail._thread is not None:
            assert time.monotonic() < limit
            time.sleep(0.01)
        broker.rows.append(row(event_id=1))
        again = hub.add(Subscription())
        assert again is not None
        tail.ensure(lambda: False, 5)
        broker.rows.append(row(event_id=2))
        assert [d["traffic_data_id"] for d in collect(again, lambda found: len(found) == 1)] == [2]
        assert broker.opened == 2
        hub.remove(again)


def test_a_broker_that_does_not_answer_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with pytest.raises(BrokerAway, match="does not answer"):
        TopicReader(SOURCE, {})
    assert threading.active_count() == before


def test_a_secured_brokers_options_are_kafka_pythons_own_in_the_end() -> None:
    options = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "netheal",
        "sasl.password": "x",
        "ssl.ca.location": "/ca.pem",
        "ssl.endpoint.identification.algorithm": "none",
        "compression.type": "zstd",
    }
    found = consumer_options(options)
    assert found == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "netheal",
        "sasl_plain_password": "x",
        "ssl_cafile": "/ca.pem",
        "ssl_check_hostname": False,
    }
    assert set(found) <= set(KafkaConsumer.DEFAULT_CONFIG)
