"""Spark's standalone master and workers as processes of their own, and spark-submit from an unpacked dist.

None of them has the checkout on its path: each works in a folder of its own, with an environment that names nothing of
it, and Python is that of the packed environment.
"""

import os
import re
import signal
import subprocess
import tarfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyspark

from netheal.host.java import find_java
from netheal.host.ports import LOOPBACK, choose_port
from tests.deadlines import STOP_S
from tests.stack.harness import Job, World, eventually

SPARK_HOME = Path(pyspark.__file__).parent
IN_ARCHIVE = ("--archives", "environment.tar.gz#environment", "--conf", "spark.pyspark.python=./environment/bin/python")
"""The environment goes to each executor as an archive, as on nodes where nothing is installed."""


def bare_environment(folder: Path) -> dict[str, str]:
    """What a process of the cluster has in its environment: nothing of the checkout; the way to the object store."""
    return {
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        "PATH": os.defpath,
        "HOME": str(folder),
        "JAVA_HOME": str(find_java(os.environ).resolve().parent.parent),
        "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:-UsePerfData",
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": LOOPBACK,
        "LC_ALL": "C.UTF-8",
    }


@dataclass
class SparkDaemon:
    """A master or worker."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """SIGKILL to it, its executors and their Python tasks, as when a node loses its power."""
        family = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        for process in [self.process, *family]:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(STOP_S)


@dataclass
class SparkCluster:
    """A standalone cluster below a folder."""

    folder: Path
    workers: list[SparkDaemon] = field(default_factory=list)
    _master: SparkDaemon | None = None
    _url: str = ""
    _page: str = ""

    def start(self, workers: int, cores: int) -> None:
        """The master and its first workers."""
        port, page = choose_port(), choose_port()
        self._url, self._page = f"spark://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{page}/json/"
        arguments = ("--host", LOOPBACK, "--port", str(port), "--webui-port", str(page))
        self._master = self._daemon("master", "org.apache.spark.deploy.master.Master", *arguments)
        for _ in range(workers):
            self.add_worker(cores)

    def add_worker(self, cores: int) -> None:
        """One more, which is awaited."""
        name = f"worker-{len(self.workers)}"
        arguments = ["--host", LOOPBACK, "--cores", str(cores), "--memory", "1g", "--webui-port", "0"]
        arguments += ["--work-dir", str(self.folder / name / "work"), self._url]
        self.workers.append(self._daemon(name, "org.apache.spark.deploy.worker.Worker", *arguments))
        alive = sum(worker.process.poll() is None for worker in self.workers)
        eventually(lambda: self._alive_workers() >= alive, f"{name} has joined")

    def stop(self) -> None:
        """End all of them."""
        for daemon in [*self.workers, *filter(None, [self._master])]:
            daemon.kill()

    def submit(
        self, world: World, host: Path, job: str, *arguments: str, options: Sequence[str] = IN_ARCHIVE, **env: str
    ) -> Job:
        """spark-submit in client mode from `host`, a folder with an unpacked dist."""
        argv = [
            str(SPARK_HOME / "bin" / "spark-submit"),
            *("--master", self._url, "--properties-file", "spark-defaults.conf"),
            *("--jars", (host / "jars.txt").read_text().strip()),
            *("--driver-memory", "1g", "--executor-memory", "512m", "--executor-cores", "1"),
            *("--conf", "spark.ui.enabled=false", *options),
            *(job, *arguments),
        ]
        given = {
            **bare_environment(host),
            "PYSPARK_DRIVER_PYTHON": str(host / "environment" / "bin" / "python"),
            **{name: value for name, value in world.env().items() if name not in _OF_THE_CHECKOUT},
            **env,
        }
        submitted = Job(argv, given, host / f"{job}-{len(world.jobs)}.log", cwd=host, inherit=False)
        world.jobs.append(submitted)
        return submitted

    def executor_logs(self) -> str:
        """What executors have written to stderr."""
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("worker-*/work/*/*/stderr"))

    def _alive_workers(self) -> int:
        try:
            with urllib.request.urlopen(self._page, timeout=5) as answer:
                return int(re.findall(rb'"aliveworkers"\s*:\s*(\d+)', answer.read())[0])
        except (OSError, IndexError):
            return -1

    def _daemon(self, name: str, java_class: str, *arguments: str) -> SparkDaemon:
        folder = self.folder / name
        folder.mkdir(parents=True)
        log = folder / "daemon.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(SPARK_HOME / "bin" / "spark-class"), java_class, *arguments],
                cwd=folder,
                env=bare_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return SparkDaemon(process, log)


_OF_THE_CHECKOUT = ("NETHEAL_CONF_DIR", "NETHEAL_STARTER_MODELS_DIR", "NETHEAL_TOOLS_DIR", "NETHEAL_CONF")
"""Settings whose defaults are found in the installed netheal."""


def unpack_dist(dist: Path, host: Path) -> Path:
    """What a client machine gets: the files of dist, and the environment unpacked beside them."""
    host.mkdir(parents=True)
    for path in dist.iterdir():
        (host / path.name).symlink_to(path)
    (host / "environment").mkdir()
    with tarfile.open(dist / "environment.tar.gz") as archive:
        archive.extractall(host / "environment", filter="fully_trusted")
    return host
