"""What the stream needs of its services, made sure of beside the start of Spark."""

import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaException

from netheal.errors import ServiceUnavailable
from netheal.kafka.clients import admin_client
from netheal.settings import Settings
from netheal.store.database import connect, migrate

_PAUSE_S = 0.2
_BROKER_S = 2.0
_PATIENCE_S = 20.0
"""Services that were started with the job are up by then; of others the job says that they are away."""

Tell = Callable[[str], None]
"""Called with what is awaited, in a few words."""


def prepare_services(settings: Settings, stop: threading.Event, tell: Tell) -> None:
    """Await Postgres and the broker, migrate, import the starter models, create missing topics.

    Comes back early once `stop` is set. Raises ServiceUnavailable where a service does not answer in time, and
    StreamRefused where a person must decide.
    """
    # Here, as these take a second to import, in which the JVM starts.
    from netheal.kafka.topics import ensure_stream_topics
    from netheal.registry.artefacts import Artefacts
    from netheal.registry.starters import examine_starters, import_starters
    from netheal.store.delta_files import require_reachable

    tell("looking at the stores")
    paths = settings.paths
    require_reachable({"NETHEAL_STORE_ROOT": paths.delta_root, "NETHEAL_ARTEFACTS_ROOT": paths.artefacts_dir})
    tell("examining the starter models")
    examine_starters(settings.paths.starter_models_dir, settings.paths.examinations_dir)
    tell("awaiting PostgreSQL")
    dsn = settings.postgres.dsn.get_secret_value()
    _await(lambda: connect(dsn).close(), stop)
    if stop.is_set():
        return
    tell("making the tables")
    migrate(dsn)
    tell("importing the starter models")
    connection = connect(dsn)
    try:
        import_starters(
            connection,
            Artefacts(settings.paths.artefacts_dir),
            settings.paths.starter_models_dir,
            settings.paths.examinations_dir,
        )
    finally:
        connection.close()
    tell("awaiting the Kafka broker")
    _await(lambda: _ask_broker(settings), stop)
    if not stop.is_set():
        tell("creating the topics")
        ensure_stream_topics(settings)
        tell("awaiting the Spark session")


def _ask_broker(settings: Settings) -> None:
    admin = admin_client(settings.kafka.bootstrap_servers, settings.kafka.client_options)
    try:
        admin.list_topics(timeout=_BROKER_S)
    except KafkaException as error:
        raise ServiceUnavailable(f"the Kafka broker does not answer: {error.args[0].str()}") from error


def _await(ask: Callable[[], None], stop: threading.Event) -> None:
    """Ask until there is an answer or a request to stop; raises the last ServiceUnavailable when out of patience."""
    limit = time.monotonic() + _PATIENCE_S
    while not stop.is_set():
        try:
            ask()
            return
        except ServiceUnavailable:
            if time.monotonic() > limit:
                raise
            stop.wait(_PAUSE_S)
