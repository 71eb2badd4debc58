"""What runs in the containers, without an engine: the commands, settings and health checks of the compose file as plain
processes, with loopback for its networks and folders for its volumes. Where the kernel lets us, they have no capability
and a root that they cannot write to, as in a container."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from netheal.host.java import find_java
from netheal.host.ports import choose_port
from netheal.settings import PROJECT_ROOT
from tests.containers import compose_file, image_environment
from tests.deadlines import DEADLINE_S, REQUEST_S, STOP_S
from tests.fenced_blocks import fenced_blocks
from tests.stack.conftest import Services
from tests.stack.harness import Job, eventually

pytestmark = [pytest.mark.stack, pytest.mark.slow]

JVM_TERMINATED = 143
"""The exit status of a JVM that did what SIGTERM asks for."""
EXEC = "docker compose -f docker-compose.spark.yml exec -T api "

CONFINED = (
    "unshare", "--mount", "sh", "-c",
    "mount --bind /tmp /tmp && mount -o remount,bind,ro /"
    ' && exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"',
    "sh",
)  # fmt: skip
"""In front of a command: only what is below /tmp can be written, by a process without capabilities."""


@dataclass
class Containers:
    """The services of the compose file on this machine: `places` is what stands in the file -> what stands for it."""

    folder: Path
    places: dict[str, str]
    ports: dict[str, int]
    services: dict[str, Any]
    confined: tuple[str, ...]
    jobs: dict[str, Job] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """A text of the file with the addresses and folders of this machine."""
        words = "|".join(re.escape(word) for word in sorted(self.places, key=len, reverse=True))
        return re.sub(rf"(?<![\w.-])(?:{words})(?![\w-])", lambda found: self.places[found[0]], text)

    def command(self, name: str, command: list[str]) -> list[str]:
        """A command as a container of the service runs it: in its environment, with nothing of ours."""
        environment = image_environment() | self.services[name].get("environment", {})
        here = {variable: self.here(str(value)) for variable, value in environment.items()}
        here["PATH"] += f":{find_java(os.environ).parent}"
        return [
            *self.confined,
            "env",
            "-i",
            *(f"{name}={value}" for name, value in here.items()),
            *map(self.here, command),
        ]

    def start(self, name: str) -> Job:
        """Start a service, and wait until its health check says so, as the engine does."""
        log = self.folder / f"{name}-{len(self.jobs)}.log"
        self.jobs[name] = job = Job(self.command(name, self.services[name]["command"]), {}, log)
        check = self.command(name, self.services[name]["healthcheck"]["test"][1:])

        def healthy() -> bool:
            assert job.process.poll() is None, job.tail()
            return subprocess.run(check, cwd=PROJECT_ROOT, capture_output=True, check=False).returncode == 0

        eventually(healthy, f"{name} is healthy")
        return job

    def run(self, name: str) -> None:
        """A service that runs once."""
        argv = self.command(name, self.services[name]["command"])
        done = subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def containers(services: Services, var_folder: Path) -> Iterator[Containers]:
    secrets = var_folder / "run-secrets"
    secrets.mkdir()
    (secrets / "postgres_dsn").write_text(services.new_database(f"containers{os.getpid()}") + "\n")
    ports = {port: choose_port() for port in ("7077", "8080", "8081", "8000", "8001")}
    places = {
        "/opt/netheal": str(PROJECT_ROOT),
        "/var/lib/netheal": str(var_folder),
        "/var/lib/netheal-secrets": str(var_folder / "api-secrets"),
        "/var/lib/netheal-metrics": str(var_folder),
        "/run/secrets": str(secrets),
        "/tmp": str(var_folder),
        "kafka:9092": services.kafka.bootstrap_servers,
        "spark-master": "127.0.0.1",
        "stream": "127.0.0.1",
        "http://api": "http://127.0.0.1",
        **{port: str(number) for port, number in ports.items()},
    }
    can_confine = var_folder.is_relative_to("/tmp") and subprocess.run([*CONFINED, "true"], check=False).returncode == 0
    confined = CONFINED if can_confine else ()
    found = Containers(var_folder, places, ports, compose_file()["services"], confined)
    yield found
    for job in found.jobs.values():
        job.kill()


def test_the_very_services_score_a_flow_and_ask_for_the_first_admins_token(containers: Containers) -> None:
    for name in ("spark-master", "spark-worker", "api", "stream"):
        assert set(containers.services[name].get("depends_on", {})) <= {"kafka", "postgres", *containers.jobs}
        containers.start(name)
    api = f"http://127.0.0.1:{containers.ports['8000']}"

    token = containers.folder / "api-secrets" / "admin-token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().strip() not in containers.jobs["api"].output()
    stats = f"{api}/api/v1/predictions/stats"
    assert requests.get(stats, timeout=REQUEST_S).status_code == 401
    for host, status in (("api:8000", 401), ("localhost:8000", 401), ("evil.example", 421)):
        assert requests.get(stats, headers={"Host": host}, timeout=REQUEST_S).status_code == status

    assert '"attack_type_name":"DDoS"' in scored_by_the_readme(containers, api)

    containers.run("metrics-token")
    file = containers.folder / Path(containers.services["metrics-token"]["command"][1]).name
    assert file.stat().st_mode & 0o777 == 0o640
    viewer = file.read_text().strip()
    bearer = {"Authorization": f"Bearer {viewer}"}

    def is_ready() -> bool:
        metrics = requests.get(f"{api}/metrics", headers=bearer, timeout=REQUEST_S)
        return metrics.status_code == 200 and "netheal_ready 1.0" in metrics.text

    eventually(is_ready, "the stream says that it runs")  # a verdict leaves before its batch is done
    assert requests.get(f"{api}/api/v1/tokens", headers=bearer, timeout=REQUEST_S).status_code == 403
    containers.run("metrics-token")
    assert file.read_text().strip() == viewer, "one that opens the API is kept"

    assert list((containers.folder / "delta" / "verdicts").rglob("*.parquet")), "written by the worker"
    for name in ("stream", "api", "spark-worker", "spark-master"):
        containers.jobs[name].terminate()
        status = containers.jobs[name].wait_exit(STOP_S)
        assert status == (0 if name == "api" else JVM_TERMINATED), containers.jobs[name].tail()
    assert containers.jobs["stream"].events("job.stopped"), "not cut"


def scored_by_the_readme(containers: Containers, api: str) -> str:
    """What the lines of the README's section print, whose `docker compose exec` is what it runs alone."""
    (lines,) = [block for block in fenced_blocks(PROJECT_ROOT / "README.md", "sh") if block.section == "Containers"]
    assert EXEC in lines.code
    code = containers.here(lines.code.replace(EXEC, "")).replace("http://127.0.0.1:8000", api)
    argv = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, (shlex.join(argv), done.stderr)
    return done.stdout
