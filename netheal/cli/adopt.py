"""`netheal topic adopt`."""

from rich.console import Console

from netheal.embedded.stack import LocalStack
from netheal.settings import Settings
from netheal.store.database import connect, migrate
from netheal.store.topics import adopt_topic
from netheal.traffic.topics import topic_id


def adopt(settings: Settings) -> int:
    """Record the input topic's present incarnation; its offset base. Starts embedded services where none are named."""
    with LocalStack(settings, Console(stderr=True).print) as stack:
        named = stack.settings
        dsn = named.postgres_dsn.get_secret_value()
        migrate(dsn)
        current = topic_id(named.kafka_bootstrap_servers, named.input_topic, named.kafka_options)
        connection = connect(dsn)
        try:
            return adopt_topic(connection, named.input_topic, current)
        finally:
            connection.close()
