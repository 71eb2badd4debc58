"""Connections that a Spark Python worker keeps between tasks, one of each kind and address."""

import os

import adbc_driver_postgresql.dbapi as adbc
from adbc_driver_manager import Error
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from netheal.errors import ServiceUnavailable
from netheal.kafka.clients import admin_client, idempotent_producer, topic_reader

_POSTGRES: dict[tuple[int, str], adbc.Connection] = {}
_PRODUCERS: dict[tuple[int, str], Producer] = {}
_CONSUMERS: dict[tuple[int, str], Consumer] = {}
_ADMINS: dict[tuple[int, str], AdminClient] = {}


def postgres(dsn: str) -> adbc.Connection:
    """A connection that answers, with no transaction open; raises ServiceUnavailable where there is no server."""
    key = (os.getpid(), dsn)
    known = _POSTGRES.pop(key, None)
    if known is not None and _answers(known):
        _POSTGRES[key] = known
        return known
    try:
        _POSTGRES[key] = adbc.connect(dsn)
    except Error as error:
        raise ServiceUnavailable(f"Postgres does not answer: {error}") from error
    return _POSTGRES[key]


def _answers(connection: adbc.Connection) -> bool:
    try:
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            cursor.fetchall()
        connection.rollback()
    except Error:
        return False
    return True


def producer(bootstrap_servers: str, options: dict[str, str]) -> Producer:
    """An idempotent producer; it reconnects by itself, and one that failed for good is not given out again."""
    key = (os.getpid(), bootstrap_servers)

    def forget_if_fatal(error: KafkaError) -> None:
        if error.fatal():
            _PRODUCERS.pop(key, None)

    if key not in _PRODUCERS:
        _PRODUCERS[key] = idempotent_producer(
            bootstrap_servers,
            options,
            linger_ms=5,
            queue_buffering_max_messages=1_000_000,
            queue_buffering_max_kbytes=262_144,
            delivery_report_only_error=True,
            compression_type="lz4",
            partitioner="murmur2_random",
            error_cb=forget_if_fatal,
        )
    return _PRODUCERS[key]


def consumer(bootstrap_servers: str, options: dict[str, str]) -> Consumer:
    """A consumer of committed records; the caller assigns partitions anew, whatever an earlier one has left."""
    key = (os.getpid(), bootstrap_servers)
    if key not in _CONSUMERS:
        _CONSUMERS[key] = topic_reader(
            bootstrap_servers,
            options,
            auto_offset_reset="error",  # an offset that is gone is an error, not passed over
            isolation_level="read_committed",
            check_crcs=True,
            # Of compressed records, which may be many times as large.
            fetch_message_max_bytes=4 * 2**20,
            fetch_max_bytes=8 * 2**20,
            queued_max_messages_kbytes=16 * 2**10,
            # What a task asks for is there, so that neither the broker nor the client has anything to wait for.
            fetch_wait_max_ms=5,
            fetch_queue_backoff_ms=5,
        )
    return _CONSUMERS[key]


def discard_consumer(bootstrap_servers: str) -> None:
    """Close one that failed; the next caller gets another."""
    failed = _CONSUMERS.pop((os.getpid(), bootstrap_servers), None)
    if failed is not None:
        failed.close()


def admin(bootstrap_servers: str, options: dict[str, str]) -> AdminClient:
    """A client that asks about topics."""
    key = (os.getpid(), bootstrap_servers)
    if key not in _ADMINS:
        _ADMINS[key] = admin_client(bootstrap_servers, options)
    return _ADMINS[key]
