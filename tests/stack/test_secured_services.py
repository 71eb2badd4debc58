"""The job by spark-submit with Kafka over SASL_SSL and PostgreSQL over TLS, and no password where people may look."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc
import psutil
import pyspark
import pytest
from pydantic import SecretStr

from api.live.broker import Source, TopicReader
from netheal.cli.broker_checks import needed_rights
from netheal.errors import ServiceUnavailable
from netheal.settings import PROJECT_ROOT, Settings, load_settings
from netheal.store.database import connect
from netheal.traffic.generator import TrafficGenerator
from tests.stack.conftest import Services
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World
from tests.stack.secured_services import NAME, PASSWORD, USER, Certificates, SecuredKafka
from tests.stack.tls_front import TlsFront

pytestmark = pytest.mark.stack

ROWS = 2_000
POSTGRES_PASSWORD = re.compile(r"//netheal:([^@]+)@")


@dataclass(frozen=True)
class Secured:
    """A world whose test speaks to plain listeners, and the settings by which the job speaks to the others."""

    world: World
    settings: Settings

    @property
    def passwords(self) -> tuple[str, str]:
        (found,) = POSTGRES_PASSWORD.findall(self.world.dsn)
        return PASSWORD, found


@dataclass(frozen=True)
class TlsPostgres:
    """A PostgreSQL, what stands before it, and the DSN that leads there and knows whom to trust."""

    plain_dsn: str
    front: TlsFront

    def dsn(self, authority: Path) -> str:
        port = self.plain_dsn.rpartition(":")[2].partition("/")[0]
        secured = self.plain_dsn.replace(f"127.0.0.1:{port}", f"{NAME}:{self.front.port}")
        return f"{secured}?sslmode=verify-full&sslrootcert={quote(str(authority), safe='')}"


@pytest.fixture
def certificates(var_folder: Path) -> Certificates:
    return Certificates(var_folder / "tls").make()


@pytest.fixture
def postgres(services: Services, certificates: Certificates) -> Iterator[TlsPostgres]:
    dsn = services.new_database(f"tls{time.time_ns()}")
    port = int(dsn.rpartition(":")[2].partition("/")[0])
    with TlsFront(certificates.certificate("server"), certificates.key("server"), port) as front:
        yield TlsPostgres(dsn, front)


@pytest.fixture
def kafka(var_folder: Path, certificates: Certificates) -> Iterator[SecuredKafka]:
    jars, log = load_settings().paths.tools_dir, var_folder / "log"
    broker = SecuredKafka(var_folder / "kafka", jars, 0, log, heap_mb=384, certificates=certificates)
    try:
        broker.start()
        broker.add_user(needed_rights(load_settings().stream))
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def secured(var_folder: Path, certificates: Certificates, kafka: SecuredKafka, postgres: TlsPostgres) -> Secured:
    plain = load_settings(
        var_dir=var_folder,
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        postgres_dsn=SecretStr(postgres.plain_dsn),
    )
    settings = load_settings(
        var_dir=var_folder,
        kafka_bootstrap_servers=kafka.secured_servers,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username=USER,
        kafka_sasl_password=SecretStr(PASSWORD),
        kafka_ssl_ca_file=str(certificates.authority),
        kafka_ssl_certificate_file=str(certificates.certificate("client")),
        kafka_ssl_key_file=str(certificates.key("client")),
        postgres_dsn=SecretStr(postgres.dsn(certificates.authority)),
    )
    return Secured(World(plain), settings)


def test_both_drivers_of_postgres_look_at_the_certificate(postgres: TlsPostgres, certificates: Certificates) -> None:
    good = postgres.dsn(certificates.authority)
    connect(good).close()
    with adbc.connect(good):
        assert postgres.front.connections > 1
    bad = postgres.dsn(certificates.certificate("client"))
    with pytest.raises(ServiceUnavailable, match="certificate verify failed"):
        connect(bad)
    with pytest.raises(adbc.Error, match="certificate verify failed"):
        adbc.connect(bad)


def submitted(events: Path) -> list[str]:
    jars = ",".join(map(str, sorted((load_settings().paths.tools_dir / "spark").glob("*.jar"))))
    return [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
        *("--master", "local[2]", "--driver-memory", "1g", "--jars", jars),
        *("--properties-file", str(PROJECT_ROOT / "conf" / "spark-defaults.conf")),
        *("--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir={events}"),
        *("--conf", "spark.eventLog.compress=false"),
        str(PROJECT_ROOT / "jobs" / "score_stream.py"),
    ]


def command_lines(pid: int) -> list[str]:
    """Of a process and all below it."""
    found = []
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.Error):  # it has ended
            found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.slow
def test_job_and_api_speak_to_secured_services_and_show_no_password(secured: Secured, postgres: TlsPostgres) -> None:
    world = secured.world
    world.send(TrafficGenerator(41).messages(ROWS))
    events = world.settings.paths.var_dir / "events"
    events.mkdir()
    env = World(secured.settings).env(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    job = world.start(submitted(events), **env)
    world.wait_done(ROWS)
    assert postgres.front.connections > 2, "who speaks to PostgreSQL does so past its front"
    commands = command_lines(job.process.pid)
    world.stop(job, statuses=(0, 143))
    assert_exactly_once(world)
    kafka = secured.settings.kafka
    source = Source(kafka.bootstrap_servers, world.settings.stream.output_topic, kafka.client_options)
    with TopicReader(source, dict.fromkeys(range(world.settings.stream.topic_partitions), 0)) as reader:
        assert reader.poll(30.0, 10), "kafka-python did not read"
    written = "".join(path.read_text("utf-8") for path in events.rglob("*") if path.is_file())
    assert "SparkListenerJobEnd" in written
    private_key = Path(kafka.ssl_key_file).read_text("ascii").splitlines()[1]
    escaped = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    for secret in (*secured.passwords, escaped, private_key):
        assert secret not in job.output(), "a password is in the job's log"
        assert secret not in written, "a password is in Spark's event log"
        assert not any(secret in command for command in commands), "a password is on a command line"
