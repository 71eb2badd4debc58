"""What the stream does now, read from Postgres and the broker."""

from dataclasses import dataclass, field

from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.store.database import Connection, connect, transaction
from netheal.store.stream_state import StreamState, read_state
from netheal.store.topics import done_offsets, lag_rows
from netheal.store.totals import RowCounts, total_counts, verdicts_per_s
from netheal.traffic.topics import end_offsets, topic_reader

_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Status:
    """Rows since the store was made, as the API counts them; `last_batch` as the ledger has it.

    `batches` are the micro-batches of the streaming query, as Spark numbers them from its checkpoint's first on.
    `lag` in rows, None where the broker does not answer; `stream` is what the job last said of itself.
    """

    rows: RowCounts = field(default_factory=RowCounts)
    verdicts_per_s: float = 0.0
    lag: int | None = 0
    batches: int = 0
    last_batch_rows: int = 0
    last_batch_s: float = 0.0
    models: tuple[str, ...] = ()
    stream: StreamState | None = None


class StatusReader:
    """Reads the status of one stream; keeps its connections, and waits `timeout_s` for the broker at most."""

    def __init__(self, settings: Settings, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._topic = settings.input_topic
        self._dsn = settings.postgres_dsn.get_secret_value()
        self._connection: Connection | None = None
        self._consumer = topic_reader(settings)

    def close(self) -> None:
        """Give the connections back."""
        if self._connection is not None:
            self._connection.close()
        self._consumer.close()

    def lag(self) -> int:
        """Rows of the input topic that are not in every sink yet; raises ServiceUnavailable where one is away."""
        # Where the topic ends is read last, so that a lag of 0 says that everything was done.
        with transaction(self.connection()) as cursor:
            done = done_offsets(cursor, self._topic)
        return lag_rows(end_offsets(self._consumer, self._topic, self._timeout_s), done)

    def read(self) -> Status:
        """The status now; raises ServiceUnavailable where Postgres does not answer."""
        connection = self.connection()
        with transaction(connection) as cursor:
            rows = total_counts(cursor)
            pace = verdicts_per_s(cursor, self._topic)
            cursor.execute(
                "select batch_id + 1, verdicts + rejected, extract(epoch from closed_at - opened_at)::float8"
                " from batches where state = 'done' and topic = %s order by opened_at desc limit 1",
                (self._topic,),  # the newest by the index on `opened_at`: the ledger grows for ever
            )
            batches, last_rows, seconds = cursor.fetchone() or (0, 0, 0.0)
            cursor.execute("select model_version from models where state = 'active' order by model_type desc")
            models = tuple(version for (version,) in cursor.fetchall())
        stream = read_state(connection, self._topic)
        try:
            lag: int | None = self.lag()
        except ServiceUnavailable:
            lag = None
        return Status(rows, pace, lag, batches, last_rows, seconds, models, stream)

    def connection(self) -> Connection:
        """The one it reads with; raises ServiceUnavailable where Postgres does not answer."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn)
        return self._connection
