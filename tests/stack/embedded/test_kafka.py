"""The embedded broker: a real one, which comes back as it was."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from netheal.embedded.kafka import EmbeddedKafka
from netheal.errors import ServiceUnavailable, SettingsError
from tests.deadlines import DEADLINE_S

pytestmark = pytest.mark.stack
TOPIC = "flows"


def create_topic(broker: EmbeddedKafka) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])[TOPIC].result(30)


def send(broker: EmbeddedKafka, *values: bytes) -> list[KafkaError | None]:
    outcomes: list[KafkaError | None] = []
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "message.max.bytes": 2**21,
            "message.timeout.ms": int(DEADLINE_S * 1000),
        }
    )
    for value in values:
        producer.produce(TOPIC, value, on_delivery=lambda error, _: outcomes.append(error))
    assert producer.flush(30) == 0
    return outcomes


def read(broker: EmbeddedKafka, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "test"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, timeout=DEADLINE_S)]
    finally:
        consumer.close()


def test_what_was_acknowledged_is_there_after_kill_and_on_the_same_port(broker: EmbeddedKafka) -> None:
    broker.start()
    create_topic(broker)
    assert send(broker, b"one", b"two", b"three") == [None] * 3
    servers = broker.bootstrap_servers
    broker.kill()
    assert not broker.alive
    broker.start()
    assert broker.bootstrap_servers == servers
    assert read(broker, 3) == [b"one", b"two", b"three"]
    assert send(broker, b"four") == [None]


def test_a_later_run_finds_data_and_port(broker: EmbeddedKafka, jars: Path) -> None:
    broker.folder.mkdir(parents=True, exist_ok=True)
    (broker.folder / "cluster.id").write_text("-aNHTUlpQiSQAFf0L77kXw")  # one id in 64 looks like an option
    broker.start()
    create_topic(broker)
    send(broker, b"one")
    servers = broker.bootstrap_servers
    broker.stop()
    later = EmbeddedKafka(broker.folder, jars, 0, broker.log_dir, heap_mb=384)
    try:
        later.start()
        assert later.bootstrap_servers == servers
        assert read(later, 1) == [b"one"]
    finally:
        later.stop()


def test_limits_of_messages_and_topics(broker: EmbeddedKafka) -> None:
    broker.start()
    create_topic(broker)
    assert send(broker, b"x" * (2**20 + 1)) == [None], "an over-long row must reach the job"
    asked = AdminClient({"bootstrap.servers": broker.bootstrap_servers}).list_topics("nobody-made-this", DEADLINE_S)
    error = asked.topics["nobody-made-this"].error
    assert error is not None and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_second_start_in_the_folder_is_refused(broker: EmbeddedKafka, jars: Path) -> None:
    broker.start()
    with pytest.raises(SettingsError, match="already running in"):
        EmbeddedKafka(broker.folder, jars, 0, broker.log_dir).start()
    assert broker.alive


def test_a_broker_that_cannot_start_says_where_to_look(broker: EmbeddedKafka) -> None:
    broker.start()
    broker.stop()
    (broker.folder / "data" / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(ServiceUnavailable, match=r"ended at once .*kafka\.log"):
        broker.start()
    assert not broker.alive
