"""Everything netheal needs on one machine, as child processes, started, kept up and ended.

These are the broker, Postgres, the streaming job, the API and, where somebody is to be told, the notifier.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from netheal.background_task import BackgroundTask, Stopped
from netheal.embedded.kafka import EmbeddedKafka
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.embedded.running import forget_running, note_running
from netheal.embedded.server import EmbeddedServer
from netheal.embedded.supervisor import ChildState, SupervisedChild, Supervisor
from netheal.errors import NethealError, SettingsError, StreamRefused, reason_of
from netheal.host.child import Cancelled, Child, Command
from netheal.host.lock import FolderLock
from netheal.host.ports import reserve_port
from netheal.settings import PROJECT_ROOT, Settings
from netheal.settings.load import variable, without_secret_files
from netheal.shutdown_budget import END_S, JOB_S, KILLED_S, SERVICES_S, SUPERVISORS_S
from netheal.telemetry import emit

JOB_MODULE = "jobs.score_stream"
API_MODULE = "api.server"
NOTIFY_MODULE = "jobs.notify"
BROKER, POSTGRES, JOB, API = "the Kafka broker", "PostgreSQL", "the streaming job", "the API"
NOTIFIER = "the notifier"
_REFUSED = 2
_LEAST_S = 2.0
_SPAWN_S = 5.0
_POLL_INTERVAL_S = 0.1

Tell = Callable[[str], None]
"""Called with a sentence for the person who waits."""


class LocalStack:
    """The children of one `var` folder; a service that the settings name elsewhere is not started.

    A child that dies is started again, all but the job on its port, and the servers with their data, for as long as it
    takes. A job, an API or a notifier that refuses to go on is not, nor is a service that never came up: `failure`
    then says why.
    """

    def __init__(self, settings: Settings, tell: Tell, await_services: bool = True) -> None:
        self.settings = settings
        self.failure: NethealError | None = None
        self._tell = tell
        self._await_services = await_services
        self._kafka: EmbeddedKafka | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._job: Child | None = None
        self._api: Child | None = None
        self._notifier: Child | None = None
        self._supervisors: dict[str, Supervisor] = {}
        self._lock = FolderLock(settings.paths.var_dir)

    def __enter__(self) -> Self:
        """Start the services, and await them unless told otherwise; raises SettingsError or ServiceUnavailable."""
        self._lock.acquire()
        try:
            self._start_services()
            if self._await_services:
                self._until_ready()
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
        running = {
            "broker": self._kafka,
            "postgres": self._postgres,
            "job": self._job,
            "api": self._api,
            "notifier": self._notifier,
        }
        return {name: child.pid for name, child in running.items() if child is not None and child.pid is not None}

    @property
    def conditions(self) -> dict[str, ChildState]:
        """How each child is that is kept up here, by name."""
        return {name: supervisor.condition for name, supervisor in self._supervisors.items()}

    @property
    def services_ready(self) -> bool:
        """Whether the services that are kept up here serve."""
        return all(self._supervisors[name].ready for name in (POSTGRES, BROKER) if name in self._supervisors)

    def _start_services(self) -> None:
        """Settle all addresses first, so that what needs a service can be started beside it."""
        settings, var = self.settings, self.settings.paths.var_dir
        found: dict[str, object] = {"job_stop_s": min(settings.stream.job_stop_s, JOB_S)}
        if not settings.postgres.dsn.get_secret_value():
            self._postgres = EmbeddedPostgres(
                var / "postgres", settings.local.embedded_postgres_port, settings.paths.log_dir
            )
            self._postgres.prepare()
            found["postgres_dsn"] = SecretStr(self._postgres.dsn)
        if not settings.kafka.bootstrap_servers:
            self._kafka = EmbeddedKafka(
                var / "kafka", settings.paths.tools_dir, settings.local.embedded_kafka_port, settings.paths.log_dir
            )
            self._kafka.prepare()
            found["kafka_bootstrap_servers"] = self._kafka.bootstrap_servers
        self.settings = settings.replaced(**found)
        note_running(self.settings, self._postgres is not None, self._kafka is not None)
        for name, service in ((POSTGRES, self._postgres), (BROKER, self._kafka)):
            if service is not None:
                self._tell(f"starting {name}")
                self._keep(SupervisedChild(name, _server_start(service), _server_alive(service)))

    def _until_ready(self) -> None:
        for supervisor in self._supervisors.values():
            while not supervisor.wait_ready(_POLL_INTERVAL_S):
                if self.failure is not None:
                    raise self.failure

    def start_api(self) -> None:
        """Start the API, once PostgreSQL serves; with port 0 it keeps the free one that is found now.

        Raises SettingsError where the port that was asked for is taken.
        """
        settings = self.settings
        port = reserve_port(settings.paths.var_dir, "api", settings.api.port)
        self.settings = settings.replaced(api_port=port)
        self._api = self._child("the API", API_MODULE, "api")
        refusal = partial(_refusal, self._api, lambda log: SettingsError(f"the API refused to start: {log}"))
        supervisor = self._keep(SupervisedChild(API, self._starter(self._api), partial(_alive, self._api), refusal))
        if self._await_services:
            supervisor.wait_ready(_SPAWN_S)
        host = settings.api.host
        self._tell(f"dashboard and API: http://{f'[{host}]' if ':' in host else host}:{port}")

    def start_notifier(self) -> None:
        """Start what tells people of alerts, once PostgreSQL serves; nothing where no channel is set."""
        if not self.settings.notify.has_channel:
            return
        notifier = self._notifier = self._child("the notifier", NOTIFY_MODULE, "notifier")
        refusal = partial(_refusal, notifier, lambda log: SettingsError(f"the notifier refused to start: {log}"))
        self._keep(SupervisedChild(NOTIFIER, self._starter(notifier), partial(_alive, notifier), refusal))

    def start_job(self) -> None:
        """Start the streaming job; it awaits its services by itself. Its metrics keep the port that is found now.

        Raises SettingsError where the port that was asked for is taken.
        """
        settings = self.settings
        port = reserve_port(settings.paths.var_dir, "job-metrics", settings.stream.job_metrics_port)
        self.settings = settings.replaced(job_metrics_port=port)
        self._tell("starting the streaming job")
        self._keep(SupervisedChild(JOB, self._start_job, self._job_alive, self._job_refusal)).wait_ready(_SPAWN_S)

    def stop_job(self, bound_s: float = JOB_S) -> None:
        """Let the job finish its micro-batch and end; killed after the bound, its batch is then replayed."""
        supervisor = self._supervisors.get(JOB)
        if supervisor is not None:
            supervisor.end()
            supervisor.join(SUPERVISORS_S)
        if self._job is not None:
            self._end({JOB: partial(self._job.stop, bound_s)}, bound_s)
            self._job = None

    def stop(self, bound_s: float = END_S) -> None:
        """End everything within about the bound: the API and the job, then the services that they need.

        What cannot be ended, or not cleared up after, is told, and the rest is ended all the same.
        """
        limit = time.monotonic() + bound_s
        for supervisor in self._supervisors.values():
            supervisor.end()
        joined_by = time.monotonic() + SUPERVISORS_S
        for supervisor in self._supervisors.values():
            supervisor.join(max(0.0, joined_by - time.monotonic()))
        left_s = max(_LEAST_S, limit - time.monotonic() - SERVICES_S)
        children = {JOB: self._job, API: self._api, NOTIFIER: self._notifier}
        self._end({name: partial(child.stop, left_s) for name, child in children.items() if child is not None}, left_s)
        self._job = self._api = self._notifier = None
        left_s = max(_LEAST_S, limit - time.monotonic())
        servers = {BROKER: self._kafka, POSTGRES: self._postgres}
        ends = {name: partial(server.stop, left_s) for name, server in servers.items() if server is not None}
        self._end(ends, left_s)
        self._kafka = self._postgres = None
        self._end({"the note of what runs": partial(forget_running, self.settings.paths.var_dir)}, _LEAST_S)
        self._lock.release()

    def _end(self, calls: Mapping[str, Callable[[], None]], bound_s: float) -> None:
        """Make the calls side by side, each on its own, and return when all are done or out of time."""
        limit = time.monotonic() + bound_s + KILLED_S
        ends = {name: BackgroundTask(f"end of {name}", call) for name, call in calls.items()}
        for name, end in ends.items():
            try:
                end.result(lambda: time.monotonic() > limit)
            except Stopped:
                self._not_ended(name, "it does not end even when it is killed")
            except Exception as error:  # noqa: BLE001 - the others are to be ended all the same
                self._not_ended(name, reason_of(error))

    def _not_ended(self, name: str, reason: str) -> None:
        emit("child.not_stopped", child=name, reason=reason)
        self._tell(f"{name} could not be ended cleanly: {reason}")

    def _keep(self, child: SupervisedChild) -> Supervisor:
        supervisor = self._supervisors[child.name] = Supervisor(child, self._fail)
        supervisor.start()
        return supervisor

    def _fail(self, failure: NethealError) -> None:
        if self.failure is None:
            self.failure = failure

    def _starter(self, child: Child) -> Callable[[threading.Event], None]:
        """Starts a child that needs PostgreSQL, once that serves."""

        def start(cancelled: threading.Event) -> None:
            postgres = self._supervisors.get(POSTGRES)
            while postgres is not None and not postgres.ready:
                if cancelled.wait(_POLL_INTERVAL_S):
                    raise Cancelled("asked to stop")
            child.start()

        return start

    def _start_job(self, _cancelled: threading.Event) -> None:
        self._job = self._child("the streaming job", JOB_MODULE, "job")
        self._job.start()

    def _job_alive(self) -> bool:
        return _alive(self._job)

    def _job_refusal(self) -> NethealError | None:
        return _refusal(self._job, lambda log: StreamRefused(f"the job refused to go on: {log}"))

    def _child(self, name: str, module: str, files: str) -> Child:
        settings = self.settings
        return Child(
            Command(
                name=name,
                argv=(sys.executable, "-m", module),
                log=settings.paths.log_dir / f"{files}.log",
                record=settings.paths.var_dir / f"{files}.pid",
                env=without_secret_files(os.environ) | job_environment(settings),
                cwd=PROJECT_ROOT,
            )
        )


def _alive(child: Child | None) -> bool:
    return child is not None and child.alive


def _refusal(child: Child | None, error: Callable[[str], NethealError]) -> NethealError | None:
    """Why a child that ended must not be started again, with the end of its log; None where it may."""
    if child is None or child.returncode != _REFUSED:
        return None
    return error(child.log_tail())


def _server_start(server: EmbeddedServer) -> Callable[[threading.Event], None]:
    return lambda cancelled: server.start(cancelled=cancelled)


def _server_alive(server: EmbeddedServer) -> Callable[[], bool]:
    return lambda: server.alive


def job_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, for a child that is to have the same."""
    no_token = settings.replaced(api_token=SecretStr(""))  # which is a person's, for their own commands
    return {variable(name): _text(value) for name, value in no_token.flat().items()}


def _text(value: object) -> str:
    """A setting as its environment variable has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, str | Path) else json.dumps(value)
