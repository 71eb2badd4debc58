"""The input topic changes while the stream reads it: every committed row comes, and no other."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewPartitions

from netheal.kafka.clients import admin_client
from netheal.traffic.generator import TrafficGenerator
from tests.deadlines import DEADLINE_S
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World, eventually

pytestmark = pytest.mark.stack


def produce(world: World, values: list[bytes], partition: int, transaction: str | None = None) -> Producer:
    """To one partition, in a transaction that is left open where it has a name."""
    named = {} if transaction is None else {"transactional.id": f"{world.settings.stream.input_topic}-{transaction}"}
    producer = Producer({"bootstrap.servers": world.settings.kafka.bootstrap_servers, "acks": "all", **named})
    if transaction is not None:
        producer.init_transactions(DEADLINE_S)
        producer.begin_transaction()
    for value in values:
        producer.produce(world.settings.stream.input_topic, value, partition=partition)
    assert producer.flush(DEADLINE_S) == 0
    return producer


def test_a_partition_that_is_added_and_a_transaction_that_stays_open(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=300)
    values = TrafficGenerator(21, broken_share=0.1).messages(900)
    world.send(values[:200])
    produce(world, values[:20], 0, "aborted").abort_transaction(DEADLINE_S)
    open_one = produce(world, values[200:250], 0, "open")
    produce(world, values[250:300], 0)  # behind the open transaction: not before it ends
    job = world.start()
    world.wait_done(200)
    topic, output = world.settings.stream.input_topic, world.settings.stream.output_topic
    admin = admin_client(world.settings.kafka.bootstrap_servers)
    for grown in admin.create_partitions([NewPartitions(topic, 3), NewPartitions(output, 3)]).values():
        grown.result()
    stream = world.settings.stream.model_copy(update={"topic_partitions": 3})
    world.settings = world.settings.model_copy(update={"stream": stream})
    eventually(lambda: len(admin.list_topics(topic, 10).topics[topic].partitions) == 3, "the partition is there")
    produce(world, values[300:650], 2)
    world.wait_done(550)
    assert world.done_rows() == 550, "rows of an open transaction, or behind it, were taken"
    open_one.commit_transaction(DEADLINE_S)
    produce(world, values[650:], 2)
    world.wait_done(900)
    world.stop(job)
    assert not job.events("job.retrying")
    assert_exactly_once(world)
