"""A real Kafka broker for a single machine: KRaft, one node, loopback only."""

import os
import shutil
import signal
import threading
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from netheal.embedded.jars import broker_jars
from netheal.embedded.server import EmbeddedServer
from netheal.errors import ServiceUnavailable
from netheal.host.atomic_write import write_whole
from netheal.host.child import Child, Command, reclaim
from netheal.host.java import contained, find_java
from netheal.host.ports import LOOPBACK, answers, reserve_port
from netheal.kafka.clients import admin_client
from netheal.settings import PROJECT_ROOT

LOG_SETTINGS = PROJECT_ROOT / "conf" / "kafka-log4j2.properties"
MESSAGE_MAX_BYTES = 2 * 2**20
"""Above the 1 MiB that a row may have, so that an over-long row reaches the job, which rejects it by name."""
_STOP_SIGNAL = signal.SIGTERM
_FORMAT_BOUND_S = 120.0


class EmbeddedKafka(EmbeddedServer):
    """A broker whose data live in `folder`; the same folder started again has the same data and port.

    `jars` is the folder that holds `broker/`, `port` 0 means: the port of last time, or a free one.
    """

    def __init__(
        self,
        folder: Path,
        jars: Path,
        port: int,
        log_dir: Path,
        heap_mb: int = 768,
        retention_hours: int = 7 * 24,
        retention_bytes_per_partition: int = 4 * 2**30,
    ) -> None:
        super().__init__(folder, port, log_dir)
        self._jars = jars.absolute()
        self._heap_mb = heap_mb
        self._retention = (retention_hours, retention_bytes_per_partition)

    @property
    def bootstrap_servers(self) -> str:
        """host:port, known once started."""
        if not self._port:
            raise ServiceUnavailable("the embedded broker was not started yet")
        return f"{LOOPBACK}:{self._port}"

    def _prepare(self, wanted_port: int) -> None:
        reclaim(self._record, _STOP_SIGNAL)
        self._port = reserve_port(self.folder, "kafka", wanted_port)

    def _start(self, deadline_s: float, cancelled: threading.Event | None) -> None:
        self._write_properties(reserve_port(self.folder, "controller", 0))
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        self._format(cancelled)
        self._child = Child(self._command("the embedded broker", *self._broker_arguments()))
        self._child.start()
        client = admin_client(self.bootstrap_servers)
        self._child.wait_ready(lambda: self._serves(client), deadline_s, cancelled)

    def _serves(self, client: AdminClient) -> bool:
        if not answers(self._port):
            return False
        try:
            return len(client.list_topics(timeout=2.0).brokers) == 1
        except KafkaException:
            return False

    @property
    def _scratch(self) -> Path:
        """For temporary files; emptied before each start, as a broker that is killed leaves its own."""
        return self.folder / "tmp"

    def _java(self, *arguments: str) -> tuple[str, ...]:
        classpath = os.pathsep.join(map(str, broker_jars(self._jars)))
        return (str(find_java(os.environ)), *contained(self._scratch), "-cp", classpath, *arguments)

    @property
    def _record(self) -> Path:
        return self.folder / "broker.json"

    def _broker_arguments(self) -> tuple[str, ...]:
        return (
            f"-Xmx{self._heap_mb}m",
            "-Xms128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={LOG_SETTINGS}",
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        )

    def _command(self, name: str, *arguments: str) -> Command:
        return Command(
            name,
            self._java(*arguments),
            log=self.log_dir / "kafka.log",
            record=self._record,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            cwd=self.folder,
            stop_signal=_STOP_SIGNAL,
        )

    def _format(self, cancelled: threading.Event | None) -> None:
        """Once a folder; its cluster id is kept beside the data."""
        if (self.folder / "data" / "meta.properties").exists():
            return
        note = self.folder / "cluster.id"
        if not note.exists():
            write_whole(note, urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        config = str(self.folder / "server.properties")
        options = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xmx128m")
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={note.read_text()}", "-c", config)
        child = Child(self._command("the format of the embedded broker's folder", *options, *tool))
        child.start()
        try:
            child.wait_done(_FORMAT_BOUND_S, cancelled)
        finally:
            child.stop()

    def _write_properties(self, controller_port: int) -> None:
        hours, per_partition = self._retention
        lines = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # A broker that was killed may register again only after its old session.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 1000,
            "group.initial.rebalance.delay.ms": 0,
            "message.max.bytes": MESSAGE_MAX_BYTES,
            "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
            "log.retention.hours": hours,
            "log.retention.bytes": per_partition,
            "log.segment.bytes": 256 * 2**20,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        write_whole(self.folder / "server.properties", text)
