"""Whether the broker can be reached, and the topics are there with the rights that netheal needs."""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]

from netheal.errors import ServiceUnavailable, SettingsError
from netheal.kafka.clients import admin_client
from netheal.kafka.topics import end_offsets, first_records, topic_reader
from netheal.settings import Settings
from netheal.settings.components import StreamSettings

MOST_SKEW_S = 2.0
_BOUND_S = 5.0
_MS_PER_S = 1_000


def reach_broker(settings: Settings) -> AdminClient:
    """A client for the checks; raises ServiceUnavailable with what to do where nothing answers."""
    admin = admin_client(settings.kafka.bootstrap_servers, settings.kafka.client_options)
    try:
        admin.describe_cluster(request_timeout=_BOUND_S).result()
    except KafkaException as error:
        raise ServiceUnavailable(
            f"{settings.kafka.bootstrap_servers} does not answer ({error.args[0].str()}): start it, or correct"
            " NETHEAL_KAFKA_BOOTSTRAP_SERVERS and the settings of its security"
        ) from error
    return admin


def needed_rights(stream: StreamSettings) -> dict[str, tuple[AclOperation, ...]]:
    """Topic -> what netheal's user does with it. Nothing else has to be allowed: no group, no transaction."""
    return {
        stream.input_topic: (AclOperation.DESCRIBE, AclOperation.READ),
        stream.output_topic: (AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE),
    }


def topics(admin: AdminClient, settings: Settings) -> str:
    """Raises SettingsError where a right is lacking, or to make a topic that is not there."""
    return "; ".join([_topic(admin, name, wanted) for name, wanted in needed_rights(settings.stream).items()])


def _topic(admin: AdminClient, name: str, needed: Iterable[AclOperation]) -> str:
    future = admin.describe_topics(
        TopicCollection([name]), include_authorized_operations=True, request_timeout=_BOUND_S
    )[name]
    try:
        found = future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return _creatable(admin, name)
        raise SettingsError(
            f"topic {name} cannot be described ({error.args[0].str()}): give the user of netheal DESCRIBE on it"
        ) from error
    lacks = [operation.name for operation in needed if operation not in (found.authorized_operations or ())]
    if lacks:
        raise SettingsError(f"the user of netheal has no {', '.join(lacks)} on topic {name}: add an ACL that allows it")
    return f"{name} with {len(found.partitions)} partitions"


def _creatable(admin: AdminClient, name: str) -> str:
    cluster = admin.describe_cluster(include_authorized_operations=True, request_timeout=_BOUND_S).result()
    if AclOperation.CREATE not in (cluster.authorized_operations or ()):
        raise SettingsError(
            f"there is no topic {name}, and the user of netheal may not create it: create it, or allow CREATE"
        )
    return f"{name} is not there yet: netheal creates it"


def clock(settings: Settings) -> str:
    """Raises SettingsError where the newest records are of the future: their writers' clocks, or ours, are wrong."""
    consumer = topic_reader(settings)
    try:
        for name in (settings.stream.input_topic, settings.stream.output_topic):
            ahead_s = _newest_s(consumer, name) - time.time()
            if ahead_s > MOST_SKEW_S:
                whose = "a sensor's or producer's" if name == settings.stream.input_topic else "the broker's"
                raise SettingsError(
                    f"the newest record of {name} is {ahead_s:,.0f} s in the future: {whose} clock is ahead, or this"
                    " machine's behind; let all follow a time server"
                )
    finally:
        consumer.close()
    return "no record of the topics is of the future"


def _newest_s(consumer: Consumer, topic: str) -> float:
    """When the newest of the last records of a topic's partitions was made; 0 where there is none, or no topic."""
    try:
        ends = end_offsets(consumer, topic, _BOUND_S)
    except ServiceUnavailable:
        return 0.0
    last = {partition: end - 1 for partition, end in ends.items() if end > 0}
    times_ms = [message.timestamp()[1] for message in first_records(consumer, topic, last, _BOUND_S)]
    return max(times_ms, default=0) / _MS_PER_S
