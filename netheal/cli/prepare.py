"""What must be there before a row is sent: tables and topics, and where the topics ended before this run."""

import threading
from collections.abc import Callable

from netheal.cli.readback import Run
from netheal.errors import NethealError, ServiceUnavailable, reason_of
from netheal.kafka.topics import end_offsets, ensure_stream_topics, topic_id, topic_reader
from netheal.settings import Settings
from netheal.store.database import connect, migrate
from netheal.store.topics import register_topic
from netheal.telemetry import emit

_PAUSE_S = 0.1
_BETWEEN_TRIES_S = 1.0


class Preparation:
    """Prepares in a thread of its own once the services are ready; one that goes away again is waited for.

    `run` is there once all is prepared, `failure` where a person must decide; `trouble` says why the last try failed,
    after which there is another.
    """

    def __init__(self, settings: Settings, services_ready: Callable[[], bool]) -> None:
        self.run: Run | None = None
        self.failure: NethealError | None = None
        self.trouble = ""
        self._settings = settings
        self._services_ready = services_ready
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._until_prepared, name="preparation", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def cancel(self) -> None:
        """Try no more; a try that a service holds up is left to itself."""
        self._cancelled.set()

    def _until_prepared(self) -> None:
        while not self._cancelled.wait(_PAUSE_S):
            if not self._services_ready():
                continue
            try:
                self.run = prepare(self._settings)
                return
            except ServiceUnavailable as error:
                self._note(error)
            except NethealError as failure:
                self.failure = failure
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody else would hear of it
                self._note(error)

    def _note(self, error: Exception) -> None:
        reason = reason_of(error)
        if reason != self.trouble and not isinstance(error, ServiceUnavailable):
            emit("thread.failed", thread=self._thread.name, reason=reason, exc_info=error)
        self.trouble = reason
        self._cancelled.wait(_BETWEEN_TRIES_S)


def prepare(settings: Settings) -> Run:
    """Migrate, make the topics, and note where they end."""
    dsn = settings.postgres.dsn.get_secret_value()
    migrate(dsn)
    servers, options = settings.kafka.bootstrap_servers, settings.kafka.client_options
    ensure_stream_topics(settings)
    connection, reader = connect(dsn), topic_reader(settings)
    try:
        topic = register_topic(
            connection, settings.stream.input_topic, topic_id(servers, settings.stream.input_topic, options)
        )
        ends = end_offsets(reader, settings.stream.input_topic), end_offsets(reader, settings.stream.output_topic)
        return Run(*ends, topic.offset_base)
    finally:
        connection.close()
        reader.close()
