"""POST /traffic on a real broker: what is accepted lies in the topic, byte for byte, under the ids of the answer."""

import json
import logging
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from netheal.embedded.kafka import EmbeddedKafka
from netheal.errors import ServiceUnavailable
from netheal.store.database import connect, migrate
from netheal.store.topics import register_topic
from netheal.traffic.ingest import TrafficProducer
from tests.stack.harness import World

pytestmark = pytest.mark.stack

URL = "/api/v1/traffic"
NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    found = make_world()
    migrate(found.dsn)
    found.make_topics()
    return found


@pytest.fixture
def client(world: World) -> FlaskClient:
    return create_app(world.settings).test_client()


def in_topic(world: World) -> dict[int, bytes]:
    return {record.offset * 1024 + record.partition: record.value or b"" for record in world.records()}


def test_lines_arrive_as_they_were_sent_under_the_ids_of_the_answer(world: World, client: FlaskClient) -> None:
    lines = [b'{"n": %d, "x": NaN,  "y": -Infinity}' % n for n in range(500)] + [b'{"broken": \xff']
    answer = client.post(URL, data=b"\n".join([*lines[:3], b"[1]", *lines[3:]]), headers=NDJSON)
    assert answer.status_code == 202
    assert answer.get_json()["accepted"] == len(lines)
    assert answer.get_json()["rejected"] == [{"index": 3, "reason": "not_an_object"}]
    found = in_topic(world)
    assert [found[event] for event in answer.get_json()["ids"]] == lines
    assert len(found) == len(lines)


def test_an_arrays_items_arrive_as_they_were_sent(world: World, client: FlaskClient) -> None:
    items = ['{"a": 1.10, "b": NaN}', '{ "snow": "☃" }']
    answer = client.post(URL, data=f"[{items[0]}, 7, {items[1]}]".encode(), headers=JSON)
    assert answer.get_json()["rejected"] == [{"index": 1, "reason": "not_an_object"}]
    found = in_topic(world)
    assert [found[event].decode() for event in answer.get_json()["ids"]] == items


def test_ids_go_on_after_those_of_a_topic_that_was_before(world: World, client: FlaskClient) -> None:
    connection = connect(world.dsn)
    register_topic(connection, world.settings.stream.input_topic, "some-id")
    connection.close()
    world.ask("update topics set offset_base = 1000")
    (event,) = client.post(URL, json=[{}]).get_json()["ids"]
    assert in_topic(world).keys() == {event - 1000 * 1024}


def test_a_row_that_kafka_does_not_take_is_named(world: World, client: FlaskClient) -> None:
    body = json.dumps([{"a": "x" * 1_200_000}, {"b": 1}])
    answer = client.post(URL, data=body, headers=JSON)
    assert (answer.get_json()["accepted"], answer.get_json()["rejected"]) == (1, [{"index": 0, "reason": "too_large"}])
    assert list(in_topic(world)) == answer.get_json()["ids"]


def test_bounds_of_a_body(world: World, client: FlaskClient) -> None:
    assert client.post(URL, json=[{}] * 10_000).get_json()["accepted"] == 10_000
    too_many = client.post(URL, json=[{}] * 10_001)
    assert (too_many.status_code, too_many.get_json()["error"]["code"]) == (413, "too_many_items")
    assert client.post(URL, data=b" " * (16 * 2**20 + 1), headers=JSON).status_code == 413
    assert len(in_topic(world)) == 10_000


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"a": 1}', "application/json", 400),
        (b"[{}", "application/json", 400),
        (b"[\xff]", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"a,b\n1,2\n", "text/csv", 415),
        (b"[]", "application/json", 202),
        (b"", "application/x-ndjson", 202),
    ],
)
def test_what_is_no_list_of_objects(client: FlaskClient, body: bytes, kind: str, status: int) -> None:
    answer = client.post(URL, data=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    if status == 202:
        assert answer.get_json() == {"accepted": 0, "ids": [], "rejected": []}


def test_health_finds_the_broker_and_its_rows(world: World, client: FlaskClient) -> None:
    client.post(URL, json=[{}] * 7)
    reasons = client.get("/health").get_json()["reasons"]
    assert not [reason for reason in reasons if "broker" in reason or "Postgres" in reason]
    assert "waiting for the job: it has not reported yet; 7 rows wait" in reasons
    assert "netheal_lag_rows 7.0" in client.get("/metrics").text


def test_a_broker_that_is_away_is_said_in_time(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    inlet = TrafficProducer("127.0.0.1:1", {}, bound_s=1.0)
    with caplog.at_level(logging.DEBUG), pytest.raises(ServiceUnavailable, match="took 0 of 2 rows"):
        inlet.send("t", [(0, b"{}"), (1, b"{}")], 0)
    assert capfd.readouterr().err == "", "librdkafka writes to stderr on its own"


def test_a_broker_that_stops_is_503_and_its_return_is_noticed(
    world: World, services: object, make_world: Callable[..., World]
) -> None:
    kafka: EmbeddedKafka = services.kafka  # type: ignore[attr-defined]
    client = create_app(world.settings).test_client()
    assert client.post(URL, json=[{}]).status_code == 202
    kafka.stop()
    try:
        answer = client.post(URL, json=[{}])
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "service_unavailable")
        assert "Retry-After" in answer.headers
    finally:
        kafka.start()
    assert client.post(URL, json=[{}]).status_code == 202
