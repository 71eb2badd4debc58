"""Everything netheal needs on one machine, as child processes: broker, Postgres, job, API; started, kept up, ended."""

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Self

from pydantic import SecretStr

from netheal.embedded.child import Child, Command
from netheal.embedded.kafka import EmbeddedKafka
from netheal.embedded.lock import FolderLock
from netheal.embedded.ports import settle_port
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.errors import NethealError, ServiceUnavailable, SettingsError, StreamRefused
from netheal.settings import PROJECT_ROOT, Settings
from netheal.telemetry import emit

JOB_MODULE = "jobs.score_stream"
API_MODULE = "api.server"
_REFUSED = 2
_STOP_BOUND_S = 40.0
_API_STOP_BOUND_S = 15.0
_LOOK_S = 0.5

Tell = Callable[[str], None]
"""Called with a sentence for the person who waits."""


class LocalStack:
    """The children of one `var` folder; a service that the settings name elsewhere is not started.

    A child that dies is started again, all but the job with its port, and the servers with their data. A job or
    an API that refuses to go on is not: `failure` then says why.
    """

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self.settings = settings
        self.failure: NethealError | None = None
        self._tell = tell
        self._kafka: EmbeddedKafka | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._job: Child | None = None
        self._api: Child | None = None
        self._lock = FolderLock(settings.var_dir)
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="netheal-watch", daemon=True)

    def __enter__(self) -> Self:
        """Start the services; raises SettingsError or ServiceUnavailable, and then nothing runs."""
        self._lock.acquire()
        try:
            self._start_services()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs, by name."""
        running = {"broker": self._kafka, "postgres": self._postgres, "job": self._job, "api": self._api}
        return {name: child.pid for name, child in running.items() if child is not None and child.pid is not None}

    def _start_services(self) -> None:
        settings, var = self.settings, self.settings.var_dir
        found: dict[str, object] = {}
        if not settings.postgres_dsn.get_secret_value():
            self._tell("starting PostgreSQL")
            self._postgres = EmbeddedPostgres(var / "postgres", settings.embedded_postgres_port, settings.log_dir)
            self._postgres.start()
            found["postgres_dsn"] = SecretStr(self._postgres.dsn)
        if not settings.kafka_bootstrap_servers:
            self._tell("starting the Kafka broker")
            self._kafka = EmbeddedKafka(
                var / "kafka", settings.tools_dir, settings.embedded_kafka_port, settings.log_dir
            )
            self._kafka.start()
            found["kafka_bootstrap_servers"] = self._kafka.bootstrap_servers
        self.settings = settings.model_copy(update=found)

    def start_api(self) -> None:
        """Start the API, on tables that are there; with port 0 it keeps the free one that is found now.

        Raises SettingsError where the port that was asked for is taken.
        """
        settings = self.settings
        port = settle_port(settings.var_dir, "api", settings.api_port)
        self.settings = settings.model_copy(update={"api_port": port})
        self._api = self._child("the API", API_MODULE, "api")
        self._api.start()
        host = settings.api_host
        self._tell(f"dashboard and API: http://{f'[{host}]' if ':' in host else host}:{port}")

    def start_job(self) -> None:
        """Start the streaming job, and the watch over all children."""
        self._tell("starting the streaming job")
        self._job = self._new_job()
        self._job.start()
        self._watcher.start()

    def stop_job(self) -> None:
        """Let the job finish its micro-batch and end."""
        self._ending.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._job is not None:
            self._job.stop(_STOP_BOUND_S)
            self._job = None

    def stop(self) -> None:
        """End everything, the API and the job first."""
        self._ending.set()
        if self._api is not None:
            self._api.stop(_API_STOP_BOUND_S)
            self._api = None
        self.stop_job()
        for service in (self._kafka, self._postgres):
            if service is not None:
                service.stop()
        self._lock.release()

    def _new_job(self) -> Child:
        return self._child("the streaming job", JOB_MODULE, "job")

    def _child(self, name: str, module: str, files: str) -> Child:
        settings = self.settings
        return Child(
            Command(
                name=name,
                argv=(sys.executable, "-m", module),
                log=settings.log_dir / f"{files}.log",
                record=settings.var_dir / f"{files}.pid",
                env={**os.environ, **job_environment(settings)},
                cwd=PROJECT_ROOT,
            )
        )

    def _watch(self) -> None:
        while not self._ending.wait(_LOOK_S):
            try:
                self._restart_dead()
            except ServiceUnavailable as error:
                emit("child.died", reason=str(error))

    def _restart_dead(self) -> None:
        for name, service in (("PostgreSQL", self._postgres), ("broker", self._kafka)):
            if service is not None and not service.alive:
                emit("child.died", child=name)
                service.start()
        if self.failure is not None:
            return
        if self._api is not None and not self._api.alive:
            self._restart_api(self._api)
        if self._job is not None and not self._job.alive:
            self._restart_job(self._job)

    def _restart_api(self, api: Child) -> None:
        emit("child.died", child="api", returncode=api.returncode)
        if api.returncode == _REFUSED:
            self.failure = SettingsError(f"the API refused to start: {api.log_tail()}")
            return
        api.start()

    def _restart_job(self, job: Child) -> None:
        emit("child.died", child="job", returncode=job.returncode)
        if job.returncode == _REFUSED:
            self.failure = StreamRefused(f"the job refused to go on: {job.log_tail()}")
            return
        self._job = self._new_job()
        self._job.start()


def job_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, for a child that is to have the same."""
    fields = settings.model_dump(mode="json")
    fields["postgres_dsn"] = settings.postgres_dsn.get_secret_value()
    fields["api_token"] = ""  # a person's, for their own commands
    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return {f"NETHEAL_{name.upper()}": value for name, value in text.items()}
