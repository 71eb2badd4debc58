"""Kafka topics: made where they are missing, told apart by id, and where they begin and end."""

import time
from collections.abc import Callable, Mapping, Set

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from netheal.errors import ServiceUnavailable, StreamRefused
from netheal.kafka import clients
from netheal.kafka.clients import admin_client
from netheal.kafka.offsets import OffsetRange, OffsetRanges, Offsets
from netheal.settings import Settings

_TIMEOUT_S = 15.0
_READER_TIMEOUT_S = 10.0
_PAUSE_S = 0.1
_POLL_S = 0.2


def ensure_stream_topics(settings: Settings) -> None:
    """Create the job's input and output topic where they are missing.

    The output topic's records carry the time at which the broker took them, not that of the producer's call,
    so that what is measured as latency ends where a consumer can see the message.
    """
    servers, options = settings.kafka.bootstrap_servers, settings.kafka.client_options
    ensure_topics(servers, {settings.stream.input_topic: settings.stream.topic_partitions}, options)
    taken = {"message.timestamp.type": "LogAppendTime"}
    ensure_topics(servers, {settings.stream.output_topic: settings.stream.topic_partitions}, options, taken)


def ensure_topics(
    bootstrap_servers: str,
    partitions: Mapping[str, int],
    options: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
) -> list[str]:
    """Create the topics of {name: number of partitions} that are missing; gives the names created.

    The replication factor is the cluster's default. A topic that exists stays as it is. `options` are
    librdkafka properties (security and the like), `config` is the topics' own.
    Raises ServiceUnavailable where the broker does not do it.
    """
    admin = admin_client(bootstrap_servers, options)
    there = _existing(admin)  # a user who may not create topics may have topics that others created
    wanted = [
        NewTopic(name, count, replication_factor=-1, config=dict(config or {}))
        for name, count in partitions.items()
        if name not in there
    ]
    if not wanted:
        return []
    created = []
    for name, future in admin.create_topics(wanted, operation_timeout=_TIMEOUT_S).items():
        if _answer(future.result, f"create topic {name!r}", KafkaError.TOPIC_ALREADY_EXISTS):
            created.append(name)
    return created


def _existing(admin: AdminClient) -> Set[str]:
    """The topics that the user may describe; raises ServiceUnavailable."""
    try:
        return admin.list_topics(timeout=_TIMEOUT_S).topics.keys()
    except KafkaException as error:
        raise ServiceUnavailable(f"Kafka did not list topics: {error.args[0].str()}") from error


def topic_id(bootstrap_servers: str, topic: str, options: Mapping[str, str] | None = None) -> str:
    """The id the cluster gave `topic` when it was made: another id is another topic of the same name.

    Raises StreamRefused where there is no such topic, ServiceUnavailable where the broker does not answer.
    """
    return read_topic_id(admin_client(bootstrap_servers, options), topic)


def read_topic_id(admin: AdminClient, topic: str) -> str:
    """The same, for callers that ask often: the client keeps its connections."""
    futures = admin.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT_S)
    try:
        return str(futures[topic].result().topic_id)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise StreamRefused(f"there is no topic {topic!r} on this broker: create it, or check its name") from error
        raise ServiceUnavailable(f"Kafka did not describe topic {topic!r}: {error.args[0].str()}") from error


def offset_ranges(bootstrap_servers: str, topic: str, options: Mapping[str, str] | None = None) -> OffsetRanges:
    """What the broker has of each partition of a topic; raises ServiceUnavailable where it does not answer."""
    admin = admin_client(bootstrap_servers, options)
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT_S)[topic].result()
        partitions = [TopicPartition(topic, partition.id) for partition in described.partitions]
        starts, ends = (
            admin.list_offsets(dict.fromkeys(partitions, spec), request_timeout=_TIMEOUT_S)
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())  # type: ignore[no-untyped-call]
        )
        return {str(p.partition): OffsetRange(starts[p].result().offset, ends[p].result().offset) for p in partitions}
    except KafkaException as error:
        raise ServiceUnavailable(f"Kafka did not say what it has of topic {topic!r}: {error.args[0].str()}") from error


def topic_reader(settings: Settings) -> Consumer:
    """A consumer outside any group, for reading topics from where one says."""
    return clients.topic_reader(settings.kafka.bootstrap_servers, settings.kafka.client_options)


def end_offsets(consumer: Consumer, topic: str, timeout_s: float = _READER_TIMEOUT_S) -> Offsets:
    """Where each partition of a topic ends, for who asks often: the consumer keeps its connections.

    Raises ServiceUnavailable where the broker does not say in time, or does not know the topic.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return _end_offsets(consumer, topic, timeout_s)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise ServiceUnavailable(_why_no_ends(topic, error.args[0])) from error
            time.sleep(_PAUSE_S)


def _end_offsets(consumer: Consumer, topic: str, timeout_s: float) -> Offsets:
    found = consumer.list_topics(topic, timeout=timeout_s).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    partitions = [TopicPartition(topic, partition) for partition in found.partitions]
    return {str(p.partition): int(consumer.get_watermark_offsets(p, timeout=timeout_s)[1]) for p in partitions}


def _why_no_ends(topic: str, error: KafkaError) -> str:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return f"the broker does not know the topic {topic}: {error.str()}"
    return f"the broker does not answer: {error.str()}"


def _answer(result: Callable[[], object], what: str, fine: int) -> bool:
    """Whether the request was done; False where it was not needed (error code `fine`)."""
    try:
        result()
    except KafkaException as error:
        if error.args[0].code() == fine:
            return False
        raise ServiceUnavailable(f"Kafka did not {what}: {error.args[0].str()}") from error
    return True


def first_records(consumer: Consumer, topic: str, starts: Offsets, timeout_s: float) -> list[Message]:
    """The first record at or after each of these offsets; a partition with only transaction markers has none.

    Raises ServiceUnavailable where the broker does not give them in time.
    """
    if not starts:
        return []
    consumer.assign([TopicPartition(topic, int(partition), offset) for partition, offset in starts.items()])
    try:
        return _first_of_each(consumer, {int(partition) for partition in starts}, timeout_s)
    finally:
        consumer.unassign()


def _first_of_each(consumer: Consumer, left: set[int], timeout_s: float) -> list[Message]:
    limit = time.monotonic() + timeout_s
    found: list[Message] = []
    while left:
        message = consumer.poll(_POLL_S)
        if message is None:
            if time.monotonic() > limit:
                raise ServiceUnavailable(f"the broker gave no record within {timeout_s:.0f} s")
            continue
        partition, error = message.partition(), message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise ServiceUnavailable(f"the broker gave no record: {error.str()}") from KafkaException(error)
        if error is None and partition in left:
            found.append(message)
        left.discard(-1 if partition is None else partition)
    return found
