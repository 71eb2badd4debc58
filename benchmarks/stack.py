"""A stack of its own for each run: fresh broker, fresh Postgres, empty sinks, in a folder that goes afterwards."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from netheal.cli.preflight import preflight
from netheal.cli.status import StatusReader
from netheal.embedded.stack import LocalStack
from netheal.errors import ServiceUnavailable
from netheal.kafka.topics import ensure_stream_topics, ensure_topics
from netheal.settings import Settings, load_settings
from netheal.store.database import migrate

_POLL_INTERVAL_S = 0.5
_STALL_S = 180.0

Tell = Callable[[str], None]


@contextmanager
def fresh_stack(tell: Tell, input_partitions: int | None = None) -> Iterator[LocalStack]:
    """Broker and Postgres with topics and tables and nothing in them; the job is not started.

    `input_partitions` are those of the input topic; None: as many as the settings say.
    Raises SettingsError or ServiceUnavailable where the machine lacks something.
    """
    with tempfile.TemporaryDirectory(prefix="netheal-benchmark-") as folder:
        settings = _embedded(Path(folder))
        preflight(settings)
        with LocalStack(settings, tell) as stack:
            settings = stack.settings
            migrate(settings.postgres.dsn.get_secret_value())
            partitions = input_partitions or settings.stream.topic_partitions
            ensure_topics(settings.kafka.bootstrap_servers, {settings.stream.input_topic: partitions})
            ensure_stream_topics(settings)
            yield stack


def _embedded(folder: Path) -> Settings:
    """The settings of this machine, but for where things are."""
    return load_settings(
        var_dir=folder,
        kafka_bootstrap_servers="",
        kafka_options={},
        spark_kafka_options={},
        postgres_dsn=SecretStr(""),
        embedded_kafka_port=0,
        embedded_postgres_port=0,
        api_port=0,
        store_root="",
        checkpoint_dir="",
    )


def wait_drained(stack: LocalStack, tell: Tell) -> None:
    """Come back when every row of the input topic is in every sink; `tell` hears how many are left.

    Raises ServiceUnavailable where the job falls (what was measured then is no measurement) or stands still.
    """
    reader = StatusReader(stack.settings)
    job = stack.pids["job"]
    lag, since = reader.lag(), time.monotonic()
    try:
        while lag:
            time.sleep(_POLL_INTERVAL_S)
            if stack.failure is not None:
                raise stack.failure
            if stack.pids["job"] != job:
                raise ServiceUnavailable("the job fell and was started again: this run measures nothing")
            before, lag = lag, reader.lag()
            if lag != before:
                tell(f"{lag} rows to go")
                since = time.monotonic()
            elif time.monotonic() - since > _STALL_S:
                raise ServiceUnavailable(f"the job has not finished a batch for {_STALL_S:.0f} s; {lag} rows are left")
    finally:
        reader.close()
