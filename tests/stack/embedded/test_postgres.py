"""The embedded PostgreSQL: a real one, which comes back as it was."""

import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from netheal.embedded import postgres
from netheal.embedded.account import account_for
from netheal.embedded.ports import LOOPBACK
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.embedded.process import recorded
from netheal.errors import SettingsError

pytestmark = pytest.mark.stack


def closed_copy_of_binaries(packages: Path) -> Path:
    """The wheel's PostgreSQL and its libraries, as an environment in a closed folder has them."""
    wheel = postgres._binaries().parents[1]
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


def test_what_was_committed_is_there_after_kill_and_on_the_same_port(server: EmbeddedPostgres):
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


def test_a_later_run_finds_data_port_and_password(server: EmbeddedPostgres):
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


def test_a_stale_pid_file_of_someone_elses_pid_does_no_harm(server: EmbeddedPostgres):
    server.start()
    note = server.folder / "data" / "postmaster.pid"
    text = note.read_text()
    server.kill()
    note.write_text(text.replace(text.splitlines()[0], "1", 1))
    server.start()
    assert server.alive


def test_the_password_is_needed_and_for_us_alone(server: EmbeddedPostgres):
    server.start()
    parts = urlsplit(server.dsn)
    wrong = server.dsn.replace(f":{parts.password}@", ":guess@")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        ask(wrong, "SELECT 1")
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600
    assert parts.hostname == LOOPBACK
    assert ask(server.dsn, "SHOW listen_addresses") == [(LOOPBACK,)]
    assert ask(server.dsn, "SHOW unix_socket_directories") == [("",)]


def test_a_checkout_only_its_owner_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tmp_path.chmod(0o700)
    account = account_for(tmp_path)
    assert account is None or account.closed
    binaries = closed_copy_of_binaries(tmp_path / "site-packages")
    monkeypatch.setattr(postgres, "_binaries", lambda: binaries)
    closed = EmbeddedPostgres(tmp_path / "postgres", 0, tmp_path / "log")
    try:
        closed.start()
        assert ask(closed.dsn, "SELECT 1") == [(1,)]
    finally:
        closed.stop()


def test_a_remembered_port_that_is_taken_is_replaced(server: EmbeddedPostgres):
    server.start()
    port = urlsplit(server.dsn).port
    server.stop()
    with socket.create_server((LOOPBACK, port or 0)):
        server.start()
    assert urlsplit(server.dsn).port != port


def test_a_second_start_in_the_folder_is_refused(server: EmbeddedPostgres):
    server.start()
    with pytest.raises(SettingsError, match="already running in"):
        EmbeddedPostgres(server.folder, 0, server.log_dir).start()
    assert server.alive


def test_it_ends_with_the_process_that_started_it(server: EmbeddedPostgres, eventually):
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
