"""One stream under test: its own topics, database and folder on shared services, and the job as a child process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
import psycopg2
import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from deltalake import DeltaTable
from pydantic import SecretStr

from netheal.embedded.kafka import EmbeddedKafka
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.embedded.stack import job_environment
from netheal.kafka.topics import ensure_stream_topics, ensure_topics
from netheal.settings import PROJECT_ROOT, Settings, load_settings
from netheal.store.delta import quarantine_layout, verdicts_layout
from tests.deadlines import DEADLINE_S, STOP_S
from tests.whole_records import WholeRecord

POLL_INTERVAL_S = 0.05
JOB = (sys.executable, "-m", "jobs.score_stream")
NETHEAL = (sys.executable, "-c", "from netheal.cli.app import main; main()")


def eventually(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """What `condition` returns once it is true; fails with `what` where that does not happen in time."""
    limit = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < limit, f"{what}: not within {deadline_s:.0f} s"
        time.sleep(POLL_INTERVAL_S)


class Job:
    """A child process in a session of its own, with its output in a file; `inherit`: has this process's variables."""

    def __init__(
        self, argv: Sequence[str], env: dict[str, str], log: Path, cwd: Path = PROJECT_ROOT, inherit: bool = True
    ) -> None:
        self.log = log
        self._begin = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**os.environ, **env} if inherit else env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def output(self) -> str:
        """What this run has written so far."""
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """This run's events of one name."""
        lines = [line for line in self.output().splitlines() if line.startswith("{") and line.endswith("}")]
        return [event for event in map(json.loads, lines) if event.get("event") == name]

    def wait_event(self, name: str, count: int = 1, deadline_s: float = DEADLINE_S) -> list[dict[str, Any]]:
        """The events of a name once there are `count`; fails where the process ends before."""

        def look() -> list[dict[str, Any]]:
            ended = self.process.poll() is not None
            found = self.events(name)
            assert len(found) >= count or not ended, f"ended ({self.process.returncode}): {self.tail()}"
            return found if len(found) >= count else []

        return eventually(look, f"{count} events {name}", deadline_s)

    def wait_exit(self, deadline_s: float = DEADLINE_S) -> int:
        """Its exit status."""
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended within {deadline_s:.0f} s: {self.tail()}") from None

    def terminate(self) -> None:
        """SIGTERM to the process alone, as a supervisor sends it."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the process and its JVM."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def jvm(self) -> psutil.Process:
        """Its JVM."""
        return next(p for p in psutil.Process(self.process.pid).children() if "java" in p.name())

    def tail(self) -> str:
        """The end of its output, for a failing test's message."""
        return self.output()[-3000:]


@dataclass(frozen=True)
class Record:
    """A Kafka record."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass
class World:
    """A stream's settings, and what stands in its sinks now."""

    settings: Settings
    jobs: list[Job] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return self.settings.postgres.dsn.get_secret_value()

    def env(self, **more: str) -> dict[str, str]:
        """The settings as environment variables."""
        return {**job_environment(self.settings), **more}

    def start(self, argv: Sequence[str] = JOB, **env: str) -> Job:
        """Start the job, or whatever `argv` says, with these settings."""
        job = Job(argv, self.env(**env), self.settings.paths.var_dir / f"job-{len(self.jobs)}.log")
        self.jobs.append(job)
        return job

    def make_topics(self, **input_config: str) -> None:
        """The topics, where they are missing; `input_config` is the input topic's, with underscores for dots."""
        servers, topics = (
            self.settings.kafka.bootstrap_servers,
            {self.settings.stream.input_topic: self.settings.stream.topic_partitions},
        )
        if input_config:
            ensure_topics(servers, topics, config={k.replace("_", "."): v for k, v in input_config.items()})
        ensure_stream_topics(self.settings)

    def remake_input_topic(self) -> None:
        """Delete the input topic and make it again."""
        name, servers = self.settings.stream.input_topic, self.settings.kafka.bootstrap_servers
        admin = AdminClient({"bootstrap.servers": servers})
        admin.delete_topics([name])[name].result()
        topics = {name: self.settings.stream.topic_partitions}
        eventually(lambda: ensure_topics(servers, topics), "the topic is made again")

    def send(self, values: Iterable[bytes | None], key: bytes | None = None) -> None:
        """Messages to the input topic, spread over its partitions one by one."""
        self.make_topics()
        servers = self.settings.kafka.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "acks": "all", "message.max.bytes": 2 * 2**20})
        for at, value in enumerate(values):
            producer.produce(self.settings.stream.input_topic, value, key, at % self.settings.stream.topic_partitions)
            producer.poll(0)
        assert producer.flush(DEADLINE_S) == 0

    def send_whole(self, records: Iterable[WholeRecord], transaction: Literal["commit", "abort"] | None = None) -> None:
        """Records to the input topic with all that belongs to them, spread over its partitions one by one."""
        settings: dict[str, Any] = {"bootstrap.servers": self.settings.kafka.bootstrap_servers, "acks": "all"}
        if transaction is not None:
            settings["transactional.id"] = f"test-{self.settings.stream.input_topic}"
        producer = Producer({**settings, "message.max.bytes": 2 * 2**20})
        if transaction is not None:
            producer.init_transactions(DEADLINE_S)
            producer.begin_transaction()
        for at, record in enumerate(records):
            producer.produce(
                self.settings.stream.input_topic,
                record.value,
                record.key,
                at % self.settings.stream.topic_partitions,
                timestamp=record.timestamp_ms,
                headers=list(record.headers),
            )
            producer.poll(0)
        assert producer.flush(DEADLINE_S) == 0
        if transaction is not None:
            end = producer.commit_transaction if transaction == "commit" else producer.abort_transaction
            end(DEADLINE_S)

    def records(self, topic: str | None = None) -> list[Record]:
        """All records of a topic (the input topic unless named), by partition and offset."""
        servers, name = self.settings.kafka.bootstrap_servers, topic or self.settings.stream.input_topic
        consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "enable.partition.eof": True})
        left = set(range(self.settings.stream.topic_partitions))
        consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for partition in left])
        found = []
        limit = time.monotonic() + DEADLINE_S
        while left:
            assert time.monotonic() < limit, f"cannot read {name} to its end"
            for message in consumer.consume(5_000, 0.5):
                error = message.error()
                if error is None:
                    stamp = message.timestamp()[1]
                    place: tuple[Any, Any] = message.partition(), message.offset()
                    found.append(Record(*place, stamp, message.key(), message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
        consumer.close()
        return sorted(found, key=lambda r: (r.partition, r.offset))

    def ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """One statement in Postgres; its rows."""
        connection = psycopg2.connect(self.dsn, connect_timeout=10)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def done_rows(self) -> int:
        """Rows of the batches that the ledger calls done; 0 before there are tables."""
        try:
            return int(self.ask("select coalesce(sum(verdicts + rejected), 0) from batches where state = 'done'")[0][0])
        except psycopg2.errors.UndefinedTable:
            return 0

    def wait_done(self, rows: int, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the ledger has `rows` rows done, with the newest job alive."""

        def look() -> bool:
            assert self.jobs[-1].process.poll() is None, self.jobs[-1].tail()
            return self.done_rows() >= rows

        eventually(look, f"{rows} rows done", deadline_s)

    def stop(self, job: Job, bound_s: float = STOP_S, statuses: Sequence[int] = (0,)) -> None:
        """SIGTERM; the job must end well within the bound. (A JVM's status, spark-submit's, tells of the signal.)"""
        job.terminate()
        assert job.wait_exit(bound_s) in statuses, job.tail()

    def verdicts(self) -> pa.Table:
        """Delta `verdicts`, by event id."""
        return _read(verdicts_layout().uri(self.settings.paths.delta_root))

    def quarantine(self) -> pa.Table:
        """Delta `quarantine`, by event id."""
        return _read(quarantine_layout().uri(self.settings.paths.delta_root))


@contextmanager
def reopened(var: Path) -> Iterator[World]:
    """The stream of a folder that `netheal up` has left, its servers up again."""
    settings = load_settings(var_dir=var)
    kafka = EmbeddedKafka(var / "kafka", settings.paths.tools_dir, 0, settings.paths.log_dir, heap_mb=384)
    postgres = EmbeddedPostgres(var / "postgres", 0, settings.paths.log_dir)
    try:
        kafka.start()
        postgres.start()
        servers = kafka.bootstrap_servers
        dsn = SecretStr(postgres.dsn)
        yield World(load_settings(var_dir=var, kafka_bootstrap_servers=servers, postgres_dsn=dsn))
    finally:
        kafka.stop()
        postgres.stop()


def _read(uri: str) -> pa.Table:
    return DeltaTable(uri).to_pyarrow_table().sort_by("event_id")


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes that name the folder on their command line, work in it, or were told of it by our settings."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            words = [*process.cmdline(), process.cwd(), process.environ().get("NETHEAL_VAR_DIR", "")]
            if any(str(folder) in word for word in words):
                found.append(process)
        except psutil.Error:
            continue
    return found


def left_behind(folder: Path) -> list[str]:
    """The same as texts."""
    found = []
    for process in processes_of(folder):
        with suppress(psutil.Error):
            found.append(" ".join([str(process.pid), *process.cmdline()])[:200])
    return found


def clear_away(folder: Path, failed: bool) -> None:
    """After a test: nothing of its folder runs any more, and the folder is gone, whatever became of the test.

    What a test that passed has left running is its failure; what one that failed has left is killed at once.
    """
    try:
        if not failed:
            eventually(lambda: not processes_of(folder), "every process of the test has ended")
    except AssertionError:
        raise AssertionError(f"processes were left behind: {left_behind(folder)}") from None
    finally:
        while left := processes_of(folder):
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(left, timeout=STOP_S)
        shutil.rmtree(folder, ignore_errors=True)
