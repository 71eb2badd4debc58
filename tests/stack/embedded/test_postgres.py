"""The embedded PostgreSQL: a real one, which comes back as it was."""

import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from netheal.embedded import postgres, postgres_roles
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.embedded.postgres_roles import Access
from netheal.errors import SettingsError
from netheal.host.account import account_for
from netheal.host.ports import LOOPBACK
from netheal.host.process import recorded
from netheal.store.database import migrate

pytestmark = pytest.mark.stack

Eventually = Callable[[Callable[[], object]], None]


def closed_copy_of_binaries(packages: Path) -> Path:
    """The wheel's PostgreSQL and its libraries, as an environment in a closed folder has them."""
    wheel = postgres.server_binaries().parents[1]
    for part in (wheel / "pginstall18", wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, packages / part.relative_to(wheel.parent), symlinks=True)
    return packages / wheel.name / "pginstall18" / "bin"


def ask(dsn: str, *statements: str) -> Sequence[tuple[object, ...]]:
    """What the last statement returns, all in one transaction."""
    connection = psycopg2.connect(dsn, connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_what_was_committed_is_there_after_kill_and_on_the_same_port(server: EmbeddedPostgres) -> None:
    server.start()
    dsn = server.dsn
    ask(dsn, "CREATE TABLE flows (id int)", "INSERT INTO flows VALUES (1), (2)")
    held = psycopg2.connect(dsn)
    server.kill()
    assert not server.alive
    server.start()
    held.close()
    assert server.dsn == dsn
    assert ask(dsn, "SELECT id FROM flows ORDER BY id") == [(1,), (2,)]


def test_a_later_run_finds_data_port_and_password(server: EmbeddedPostgres) -> None:
    server.start()
    dsn = server.dsn
    ask(dsn, "CREATE TABLE flows (id int)")
    server.stop()
    later = EmbeddedPostgres(server.folder, 0, server.log_dir)
    try:
        later.start()
        assert later.dsn == dsn
        assert ask(dsn, "SELECT count(*) FROM flows") == [(0,)]
    finally:
        later.stop()


def test_a_stale_pid_file_of_someone_elses_pid_does_no_harm(server: EmbeddedPostgres) -> None:
    server.start()
    note = server.folder / "data" / "postmaster.pid"
    text = note.read_text()
    server.kill()
    note.write_text(text.replace(text.splitlines()[0], "1", 1))
    server.start()
    assert server.alive


def test_the_password_is_needed_and_for_us_alone(server: EmbeddedPostgres) -> None:
    server.start()
    parts = urlsplit(server.dsn)
    wrong = server.dsn.replace(f":{parts.password}@", ":guess@")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        ask(wrong, "SELECT 1")
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600
    assert parts.hostname == LOOPBACK
    assert ask(server.dsn, "SHOW listen_addresses") == [(LOOPBACK,)]
    assert ask(server.superuser_dsn, "SHOW unix_socket_directories") == [("",)]


ROLE = (
    "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles where rolname = 'netheal'"
)
NOT_OURS = (
    "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relowner <> 'netheal'::regrole"
)


def assert_ordinary(server: EmbeddedPostgres) -> None:
    """netheal's role owns its database and what is in it, and has no other power."""
    assert ask(server.dsn, "select current_user::text") == [("netheal",)]
    assert ask(server.dsn, ROLE) == [(False,) * 5]
    assert ask(server.dsn, NOT_OURS) == [(0,)]
    for statement in (
        "create role intruder superuser",
        "alter role netheal superuser",
        "select pg_read_file('/etc/passwd')",
        "copy (select 1) to program 'touch intruder'",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(server.dsn, statement)
    migrate(server.dsn)
    ask(server.dsn, "create table more (id int)", "drop table more")


def test_netheals_role_is_an_ordinary_one(server: EmbeddedPostgres) -> None:
    server.start()
    migrate(server.dsn)
    assert_ordinary(server)
    assert ask(server.superuser_dsn, "select rolsuper from pg_roles where rolname = current_user") == [(True,)]
    secrets = [(server.folder / name).read_text() for name in ("password", "superuser.password")]
    assert len(set(secrets)) == 2
    assert stat.S_IMODE((server.folder / "superuser.password").stat().st_mode) == 0o600
    assert not [secret for secret in secrets if secret in (server.log_dir / "postgres.log").read_text()]


def make_as_earlier_versions_did(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running server whose only role is `netheal`, the superuser that initdb left, with tables and rows."""

    def prepare(access: Access) -> None:
        connection = psycopg2.connect(access.dsn("postgres"), connect_timeout=5)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("create database netheal")

    for name in ("password", "superuser.password"):
        server.folder.mkdir(exist_ok=True)
        (server.folder / name).write_text("a-password")
    with monkeypatch.context() as patched:
        patched.setattr(postgres, "SUPERUSER", "netheal")
        patched.setattr(postgres, "ensure_roles", prepare)
        server.start()
    (server.folder / "superuser.password").unlink()
    migrate(server.dsn)
    day = "create table verdicts_20260301 partition of verdicts for values from ('2026-03-01') to ('2026-03-02')"
    ask(server.dsn, day, "insert into tokens (name, role, sha256, created_by) values ('a', 'viewer', '', 'test')")
    assert ask(server.dsn, ROLE)[0][0] is True


@pytest.mark.parametrize("cut", ["never", "before the renaming", "after the renaming"])
def test_a_folder_of_an_earlier_version_gets_the_ordinary_role(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    make_as_earlier_versions_did(server, monkeypatch)
    if cut == "before the renaming":
        ask(server.dsn, "create role netheal_renamer superuser login")
    elif cut == "after the renaming":
        postgres_roles._rename_superuser(server._access)
    server.stop()
    later = EmbeddedPostgres(server.folder, 0, server.log_dir)
    try:
        later.start()
        assert_ordinary(later)
        assert ask(later.dsn, "select name from tokens") == [("a",)]
        number = "insert into tokens (name, role, sha256, created_by) values ('b', 'viewer', 'b', 'test') returning id"
        assert ask(later.dsn, number, "select nextval('upload_rows')") == [(1,)]
        assert ask(later.superuser_dsn, "select rolname::text from pg_roles where rolsuper") == [("postgres",)]
    finally:
        later.stop()


def test_a_checkout_only_its_owner_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    account = account_for(tmp_path)
    assert account is None or account.closed
    binaries = closed_copy_of_binaries(tmp_path / "site-packages")
    monkeypatch.setattr(postgres, "server_binaries", lambda: binaries)
    closed = EmbeddedPostgres(tmp_path / "postgres", 0, tmp_path / "log")
    try:
        closed.start()
        assert ask(closed.dsn, "SELECT 1") == [(1,)]
    finally:
        closed.stop()


def test_a_remembered_port_that_is_taken_is_replaced(server: EmbeddedPostgres) -> None:
    server.start()
    port = urlsplit(server.dsn).port
    server.stop()
    with socket.create_server((LOOPBACK, port or 0)):
        server.start()
    assert urlsplit(server.dsn).port != port


def test_a_second_start_in_the_folder_is_refused(server: EmbeddedPostgres) -> None:
    server.start()
    with pytest.raises(SettingsError, match="already running in"):
        EmbeddedPostgres(server.folder, 0, server.log_dir).start()
    assert server.alive


def test_it_ends_with_the_process_that_started_it(server: EmbeddedPostgres, eventually: Eventually) -> None:
    code = f"""
import time
from pathlib import Path
from netheal.embedded.postgres import EmbeddedPostgres
EmbeddedPostgres(Path({str(server.folder)!r}), 0, Path({str(server.log_dir)!r})).start()
time.sleep(600)
"""
    record = server.folder / "postmaster.json"
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: (server.folder / "data").exists() and recorded(record) is not None)
        left = recorded(record)
        assert left is not None
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: not left.alive)
    server.start()
    assert ask(server.dsn, "SELECT 1") == [(1,)]
