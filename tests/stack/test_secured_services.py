"""The job by spark-submit with Kafka over SASL_SSL and PostgreSQL over TLS, and no password where people may look."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import pyspark
import pytest
from pydantic import SecretStr

from api.live.broker import Source, TopicReader
from netheal.embedded import postgres as embedded_postgres
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.host.account import account_for, give
from netheal.settings import PROJECT_ROOT, Settings, load_settings
from netheal.traffic.generator import TrafficGenerator
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import World
from tests.stack.secured_services import NAME, PASSWORD, USER, Certificates, SecuredKafka

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


@pytest.fixture
def secured(var_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secured]:
    certificates = Certificates(var_folder / "tls").make()
    key = certificates.key("server")
    give(key, account_for(var_folder))
    given = {"ssl": "on", "ssl_cert_file": str(certificates.certificate("server")), "ssl_key_file": str(key)}
    monkeypatch.setattr(embedded_postgres, "SERVER_SETTINGS", embedded_postgres.SERVER_SETTINGS | given)
    jars, log = load_settings().paths.tools_dir, var_folder / "log"
    kafka = SecuredKafka(var_folder / "kafka", jars, 0, log, heap_mb=384, certificates=certificates)
    postgres = EmbeddedPostgres(var_folder / "postgres", 0, log)
    try:
        kafka.start()
        kafka.add_user()
        postgres.start()
        plain = load_settings(
            var_dir=var_folder, kafka_bootstrap_servers=kafka.bootstrap_servers, postgres_dsn=SecretStr(postgres.dsn)
        )
        authority = quote(str(certificates.authority), safe="")
        dsn = postgres.dsn.replace("127.0.0.1", NAME) + f"?sslmode=verify-full&sslrootcert={authority}"
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
            postgres_dsn=SecretStr(dsn),
        )
        yield Secured(World(plain), settings)
    finally:
        kafka.stop()
        postgres.stop()


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


@pytest.mark.slow
def test_job_and_api_speak_to_secured_services_and_show_no_password(secured: Secured) -> None:
    world = secured.world
    world.send(TrafficGenerator(41).messages(ROWS))
    events = world.settings.paths.var_dir / "events"
    events.mkdir()
    env = World(secured.settings).env(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    job = world.start(submitted(events), **env)
    world.wait_done(ROWS)
    ((plain,),) = world.ask(
        "select count(*) from pg_stat_ssl join pg_stat_activity using (pid)"
        " where not ssl and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    assert plain == 0, "somebody speaks to PostgreSQL in the clear"
    family = [psutil.Process(job.process.pid), *psutil.Process(job.process.pid).children(recursive=True)]
    commands = [" ".join(process.cmdline()) for process in family]
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
