"""The output topic, read by kafka-python: all partitions, no group, positions kept by whoever reads."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, UnsupportedCodecError

_ANSWER_MS = 5_000
_PROBE_MS = 3_000
_SAME_NAMES = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "sasl.kerberos.service.name": "sasl_kerberos_service_name",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    "ssl.crl.location": "ssl_crlfile",
    "ssl.cipher.suites": "ssl_ciphers",
    "client.rack": "client_rack",
}
"""librdkafka's name of an option, as in the setting kafka_options -> kafka-python's."""


class BrokerAway(Exception):
    """Nothing can be read now; the text says why, for a person who watches."""


@dataclass(frozen=True)
class Record:
    """A message of the topic."""

    partition: int
    offset: int
    value: bytes | None


@dataclass(frozen=True)
class Source:
    """Which topic, and where."""

    bootstrap_servers: str
    topic: str
    options: Mapping[str, str]


def consumer_options(options: Mapping[str, str]) -> dict[str, Any]:
    """librdkafka options as kafka-python's; those that only a producer needs are left out."""
    found: dict[str, Any] = {_SAME_NAMES[name]: value for name, value in options.items() if name in _SAME_NAMES}
    if "security_protocol" in found:
        found["security_protocol"] = found["security_protocol"].upper()
    if options.get("ssl.endpoint.identification.algorithm") == "none":
        found["ssl_check_hostname"] = False
    return found


class TopicReader:
    """An open consumer. `positions` (partition -> next offset) is the caller's, read here and moved on here.

    With no positions it begins at the end; with some, it goes on from them, and reads partitions that are new since
    from their beginning. Every method raises BrokerAway.
    """

    def __init__(self, source: Source, positions: dict[int, int]) -> None:
        # It logs every attempt to reach a broker that is away; we tell that once, as an event.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        self._source = source
        self._positions = positions
        clients: list[Any] = []

        def client(**config: Any) -> Any:
            clients.append(KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**config))
            return clients[-1]

        try:
            self._consumer = KafkaConsumer(
                kafka_client=client,
                **consumer_options(source.options),
                bootstrap_servers=source.bootstrap_servers.split(","),
                group_id=None,
                enable_auto_commit=False,
                # For an offset that retention removed; the beginning is told from the gap, and nothing else is lost.
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                metrics_enabled=False,
                check_crcs=False,  # in pure Python they would cost ten times as much as all the rest
                bootstrap_timeout_ms=_PROBE_MS,
                request_timeout_ms=_ANSWER_MS,
                reconnect_backoff_max_ms=1_000,
                metadata_max_age_ms=15_000,
                fetch_max_wait_ms=250,
            )
        except (KafkaError, OSError, ValueError) as error:
            for begun in clients:  # a consumer that cannot be made leaves its thread and its files behind
                begun.close()
            raise BrokerAway(f"the broker does not answer ({_words(error)})") from error
        try:
            self._assign(self._partitions())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=1_000)
        except (KafkaError, OSError):
            return

    def poll(self, limit_s: float, most: int) -> list[Record]:
        """The next records, by partition; none after `limit_s` without any. A broker that is away gives none, too."""
        try:
            polled = self._consumer.poll(timeout_ms=round(limit_s * 1000), max_records=most)
        except UnsupportedCodecError as error:
            raise BrokerAway(
                f"the topic {self._source.topic} is compressed in a way that the API cannot read ({error}):"
                " set compression.type of the job's producer to gzip, lz4, zstd or none"
            ) from error
        except (KafkaError, OSError) as error:
            raise BrokerAway(f"the broker does not answer ({_words(error)})") from error
        return [Record(at.partition, found.offset, found.value) for at, records in polled.items() for found in records]

    def behind(self) -> dict[int, int]:
        """Rows of each partition that are not read yet; finds out whether the broker answers, and new partitions."""
        partitions = self._partitions()
        if partitions != set(self._positions):
            self._assign(partitions)
        ends = self._ends(partitions)
        return {partition: max(0, ends[partition] - self._positions[partition]) for partition in partitions}

    def skip(self, partition: int, rows: int) -> None:
        """Go on that much further."""
        self._positions[partition] += rows
        self._consumer.seek(self._at(partition), self._positions[partition])

    def _partitions(self) -> set[int]:
        began = time.monotonic()
        try:
            found = set(self._consumer.partitions_for_topic(self._source.topic))
        except (KafkaError, OSError) as error:
            raise BrokerAway(f"the broker does not answer ({_words(error)})") from error
        if not found:
            waited = time.monotonic() - began
            reason = "there is no topic" if waited < _PROBE_MS / 1000 else "the broker says nothing of the topic"
            raise BrokerAway(f"{reason} {self._source.topic} yet: the job makes it when it starts")
        return found

    def _assign(self, partitions: set[int]) -> None:
        new = partitions - set(self._positions)
        found = dict.fromkeys(new, 0) if self._positions else self._ends(new)
        for gone in set(self._positions) - partitions:
            del self._positions[gone]
        self._positions.update(found)
        self._consumer.assign([self._at(partition) for partition in sorted(partitions)])
        for partition, offset in self._positions.items():
            self._consumer.seek(self._at(partition), offset)

    def _ends(self, partitions: set[int]) -> dict[int, int]:
        try:
            ends = self._consumer.end_offsets([self._at(partition) for partition in partitions], timeout_ms=_PROBE_MS)
        except (KafkaError, OSError) as error:
            raise BrokerAway(f"the broker does not answer ({_words(error)})") from error
        return {at.partition: end for at, end in ends.items()}

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._source.topic, partition)


def _words(error: BaseException) -> str:
    return str(error).partition(":")[0] or type(error).__name__
