"""`netheal doctor` against a real broker and a real stream: each thing broken once, and what it says to do about it."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]

from netheal.cli import broker_checks
from netheal.cli.doctor import doctor
from netheal.settings import Settings
from netheal.store.database import connect, migrate
from netheal.store.partitions import ensure_partitions
from netheal.traffic.generator import TrafficGenerator
from tests.stack.harness import World, eventually

HOUR_MS = 3_600_000


def problems(world: World) -> dict[str, str]:
    """What is not well, but that no job runs."""
    return {check.name: check.text for check in doctor(world.settings) if not check.ok and check.name != "ports"}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Servers, tables and topics as a job would find them."""
    made = make_world()
    migrate(made.dsn)
    with closing(connect(made.dsn)) as connection:
        ensure_partitions(connection)
    made.make_topics()
    assert problems(made) == {}
    return made


def test_what_is_well_is_said(world: World) -> None:
    told = {check.name: check.text for check in doctor(world.settings)}
    assert told["database"].startswith("PostgreSQL 1")
    assert "with 2 partitions" in told["topics"]
    assert told["stream"] == "no batch yet"


def test_a_sensor_with_another_time(world: World) -> None:
    producer = Producer({"bootstrap.servers": world.settings.kafka.bootstrap_servers})
    producer.produce(world.settings.stream.input_topic, b"{}", timestamp=round(time.time() * 1000) + HOUR_MS)
    producer.flush()
    assert "in the future: a sensor's or producer's clock is ahead" in problems(world)["record clock"]


def test_a_topic_that_may_not_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker of the tests has no ACLs, which allows everything: so one more right is asked for."""

    class Strict:
        DESCRIBE, READ = AclOperation.DESCRIBE, AclOperation.READ
        WRITE, CREATE = AclOperation.ANY, AclOperation.ANY

    monkeypatch.setattr(broker_checks, "AclOperation", Strict)
    assert "has no ANY on topic" in problems(world)["topics"]
    delete(world.settings)
    eventually(lambda: "may not create it" in problems(world).get("topics", ""), "the topic is gone")


def delete(settings: Settings) -> None:
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    admin.delete_topics([settings.stream.output_topic])[settings.stream.output_topic].result()


def test_a_stream_that_could_not_go_on(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.send(TrafficGenerator(5).messages(100))
    job = world.start()
    world.wait_done(100)
    assert problems(world) == {}, "a stream that runs is well"
    world.stop(job)
    told = {check.name: check.text for check in doctor(world.settings)}
    assert told["stream"].startswith("the checkpoint goes on where the database ends")

    folder = next(f for f in Path(world.settings.paths.checkpoint).iterdir() if "." not in f.name)
    commits = folder / "commits"
    last = max(int(path.name) for path in commits.iterdir() if path.name.isdecimal())
    ahead = commits / str(last + 3)
    ahead.write_bytes((commits / str(last)).read_bytes())
    assert "netheal checkpoint rebuild" in problems(world)["stream"]
    ahead.unlink()

    (folder / "metadata").write_text("{")
    assert "is damaged" in problems(world)["checkpoint"] and "is damaged" in problems(world)["stream"]

    world.remake_input_topic()
    assert "run 'netheal topic adopt'" in problems(world)["stream"]
