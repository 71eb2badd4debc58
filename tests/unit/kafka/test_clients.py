"""No client of librdkafka prints lines of its own."""

import subprocess
import sys

import pytest
from confluent_kafka import KafkaException

from netheal.kafka.clients import idempotent_producer, topic_reader
from netheal.settings import PROJECT_ROOT

MAKE = {
    "producer": "c = clients.idempotent_producer('127.0.0.1:1'); c.produce('t', b'x')",
    "reader of ranges": "from jobs.stages import worker_connections\n"
    "c = worker_connections.consumer('127.0.0.1:1', {}); c.assign([])",
    "consumer": "c = clients.topic_reader('127.0.0.1:1'); c.assign([])",
    "admin": "c = clients.admin_client('127.0.0.1:1')",
}


@pytest.mark.parametrize("kind", MAKE)
def test_a_broker_that_is_away_is_no_line_of_the_librarys(kind: str) -> None:
    code = (
        f"from netheal.kafka import clients\n{MAKE[kind]}\n"
        "try:\n    c.list_topics(timeout=1.5)\nexcept Exception as error:\n    print(type(error).__name__)\n"
        "hasattr(c, 'poll') and c.poll(0.1)\nhasattr(c, 'purge') and c.purge()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "KafkaException\n", "")


def test_options_of_a_cluster_do_not_undo_what_keeps_messages_single() -> None:
    options = {"enable.idempotence": "false", "acks": "0", "max.in.flight.requests.per.connection": "100"}
    with pytest.raises(KafkaException, match="max.in.flight"):
        idempotent_producer("127.0.0.1:1", options)


def test_a_readers_own_properties_are_not_overruled_by_those_of_the_cluster() -> None:
    with pytest.raises(KafkaException, match=r"isolation\.level"):
        topic_reader("127.0.0.1:1", {"isolation.level": "read_committed"}, isolation_level="no such level")
