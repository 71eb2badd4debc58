"""Where a topic ends: as the broker says, waited for while the topic is being made, else an error in a sentence."""

from types import SimpleNamespace
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from netheal.errors import ServiceUnavailable
from netheal.kafka.topics import end_offsets


class Broker:
    """A consumer's view of one topic with two partitions, which is known from the n-th question on."""

    def __init__(self, known_from: int) -> None:
        self.asked, self.known_from = 0, known_from

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        self.asked += 1
        known = self.asked >= self.known_from
        error = None if known else KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return SimpleNamespace(topics={topic: SimpleNamespace(error=error, partitions={0: 0, 1: 0} if known else {})})

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        return 2, 10 + partition.partition


def test_a_topic_that_is_just_being_made_is_waited_for() -> None:
    broker = Broker(known_from=3)
    assert end_offsets(cast(Consumer, broker), "in", 60.0) == {"0": 10, "1": 11}
    assert broker.asked == 3


def test_a_topic_that_is_not_there_does_not_look_empty() -> None:
    with pytest.raises(ServiceUnavailable, match="does not know the topic in"):
        end_offsets(cast(Consumer, Broker(known_from=10**9)), "in", 0.1)
