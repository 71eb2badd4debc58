"""The rows that a stack's Postgres serves, removed."""

from netheal.settings import Settings
from netheal.store.database import connect, transaction
from netheal.store.partitions import PARTITIONED


def remove_rows(settings: Settings) -> None:
    """Empty the tables of rows; a job that runs waits meanwhile, and nothing that it needs goes."""
    connection = connect(settings.postgres.dsn.get_secret_value())
    try:
        with transaction(connection) as cursor:
            cursor.execute(f"truncate {', '.join(PARTITIONED)}")
    finally:
        connection.close()
