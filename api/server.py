"""`python -m api.server`: the API under gunicorn, one process with threads.

What it promises by itself, on loopback: WebSockets, stalled ones included, leave a fifth of the threads to REST. A
client that stalls, in its request or in reading its answer, is dropped after `api.client_timeout_s`, which frees its
thread. Requests with a body hold at most half of REST's threads, those of one caller a quarter. So a few slow clients
delay nobody; more than there are threads delay the others until that timeout.

What takes a reverse proxy, see `conf/proxy/nginx.conf.template`: TLS, and bounds on clients that send a little, on the
connections of an address, and on how fast it sends requests.

Exit status 2: it refuses to start, and the last line on stderr says why in one sentence.
"""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from apiflask import APIFlask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from api.first_admin import make_first_admin
from api.socket_timeouts import set_receive_timeout, set_send_timeout
from api.worker import Worker
from netheal.embedded.running import API_NOTE, forget_address, note_address
from netheal.errors import NethealError, ServiceUnavailable, SettingsError
from netheal.host.launch import end_with_parent
from netheal.host.ports import wait_free
from netheal.host.scratch import use_scratch_folder
from netheal.settings import Settings, load_settings
from netheal.store.database import connect, migrate
from netheal.store.tokens import admin_exists
from netheal.telemetry import configure_logging, emit

_REFUSED = 2
_GRACE_S = 5
_HEARTBEAT_S = 120
_PORT_PATIENCE_S = 5.0
_CONNECTIONS = 1000
_FILES_PER_CONNECTION = 3
"""At most: of a WebSocket the socket and a selector, of an upload the socket and what is read of it."""


def main() -> None:
    """Serve until SIGTERM."""
    configure_logging()
    try:
        settings = load_settings()
        configure_logging(log_format=settings.log.format)
        _check(settings)
        use_scratch_folder(settings.paths.scratch_dir, "api")
    except ServiceUnavailable as error:
        emit("api.failed", error=str(error))
        sys.exit(1)
    except NethealError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(_REFUSED)
    files = _raise_file_limit()
    Server(settings, min(_CONNECTIONS, files // _FILES_PER_CONNECTION)).run()


def address_note(settings: Settings) -> Path:
    """Where a running API says where it is."""
    return settings.paths.var_dir / API_NOTE


def _check(settings: Settings) -> None:
    """Raises SettingsError where the API must not be started as it is told to."""
    dsn = settings.postgres.dsn.get_secret_value()
    if not dsn:
        raise SettingsError("no database is named: set NETHEAL_POSTGRES_DSN, or run `netheal up`, which has its own")
    if not wait_free(settings.api.port, _PORT_PATIENCE_S):
        raise SettingsError(f"port {settings.api.port} is taken: end what listens there or change NETHEAL_API_PORT")
    migrate(dsn)
    if not settings.api.asks_for_tokens:
        return
    connection = connect(dsn)
    try:
        if settings.api.admin_token_file:
            make_first_admin(connection, Path(settings.api.admin_token_file))
        elif not admin_exists(connection):
            raise SettingsError(
                "this API asks for tokens and there is no admin's: name a file for one in NETHEAL_API_ADMIN_TOKEN_FILE;"
                " or run it first on loopback, without NETHEAL_API_TOKENS_REQUIRED and without other names in"
                " NETHEAL_API_HOSTS and NETHEAL_API_ORIGINS, and `netheal tokens create NAME --role admin` there"
            )
    finally:
        connection.close()


def _raise_file_limit() -> int:
    """Allow this process as many open files as the system lets it have. Returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, told by our settings alone: no configuration file, no GUNICORN_CMD_ARGS."""

    def __init__(self, settings: Settings, connections: int) -> None:
        """`connections`: how many may be open; further ones wait in the kernel."""
        self._settings = settings
        self._connections = connections
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        host = self._settings.api.host
        for name, value in {
            "bind": [f"[{host}]:{self._settings.api.port}" if ":" in host else f"{host}:{self._settings.api.port}"],
            "workers": 1,
            "worker_class": Worker,
            "threads": self._settings.api.threads,
            "worker_connections": self._connections,
            "timeout": _HEARTBEAT_S,
            "graceful_timeout": _GRACE_S,
            "control_socket_disable": True,
            # It waits for a client that does not read, whatever the timeout of the socket.
            "sendfile": False,
            "logger_class": EventLogger,
            # Nobody in front of us is believed, see `api.security`.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            "when_ready": self._limit_stalls,
            "post_fork": _tie_to_parent,
            "post_worker_init": self._ready,
            "on_exit": self._ended,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> APIFlask:
        """Called by gunicorn in its worker."""
        # Not before the fork: libraries under it start threads when they are imported, which no fork takes along.
        from api.app import create_app

        return create_app(self._settings)

    def _limit_stalls(self, arbiter: Arbiter) -> None:
        """Called by gunicorn when it listens: each connection inherits the timeouts of the socket it comes from."""
        for listener in arbiter.LISTENERS:
            set_receive_timeout(listener, self._settings.api.client_timeout_s)
            set_send_timeout(listener, self._settings.api.client_timeout_s)

    def _ready(self, worker: Worker) -> None:
        """The worker has the application: note where it is, and the pid of gunicorn, which is to be stopped."""
        from api.live.service import live_service_of
        from api.observer import observer_of
        from api.outage_recorder import start_recording

        live_service_of(worker.wsgi).ending = lambda: not worker.alive
        dsn = self._settings.postgres.dsn.get_secret_value()
        start_recording(observer_of(worker.wsgi), dsn, ending=lambda: not worker.alive)
        host, port = worker.sockets[0].getsockname()[:2]
        address = {"pid": os.getppid(), "host": host, "port": port, "url": _url(host, port)}
        note_address(address_note(self._settings), address)
        emit("api.started", **address)

    def _ended(self, _: Arbiter) -> None:
        forget_address(address_note(self._settings))
        emit("api.stopped", pid=os.getpid())


def _tie_to_parent(_: Arbiter, worker: Worker) -> None:
    """A worker whose parent was killed ends, too: sockets that are open would keep it, and it the port."""
    end_with_parent(signal.SIGTERM)
    if os.getppid() != worker.ppid:
        os._exit(1)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class EventLogger(Logger):  # type: ignore[misc]
    """What gunicorn has to say, as events; requests are counted in /metrics instead of logged one by one."""

    def setup(self, cfg: Any) -> None:
        """No handlers."""
        self.cfg = cfg

    def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """An event."""
        _tell("critical", msg, args, kwargs)

    def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """An event."""
        _tell("error", msg, args, kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """An event with the exception, unless it says no more than that a client stalled."""
        if isinstance(sys.exception(), BlockingIOError):
            return
        _tell("error", msg, args, {**kwargs, "exc_info": True})

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """An event."""
        _tell("warning", msg, args, kwargs)

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: our own events say what matters."""

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Nothing."""


def _tell(level: str, message: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    text = str(message) % args if args else str(message)
    emit("api.server", server_level=level, message=text, exc_info=kwargs.get("exc_info"))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main()
