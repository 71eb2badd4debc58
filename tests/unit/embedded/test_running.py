"""What runs in a folder is found by the other commands of that folder."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from netheal.embedded.running import find_running, forget_running, named_broker, note_running, settings_of_running
from netheal.errors import ServiceUnavailable
from netheal.host.process import identify
from netheal.settings import Settings

PASSWORD = "s3cret-of-the-server"


@pytest.fixture
def started(settings: Settings) -> Settings:
    """The settings as `up` has them once its services are settled."""
    folder = settings.paths.var_dir / "postgres"
    folder.mkdir(parents=True)
    (folder / "password").write_text(PASSWORD)
    dsn = SecretStr(f"postgresql://netheal:{PASSWORD}@127.0.0.1:23456/netheal")
    return settings.replaced(postgres_dsn=dsn, kafka_bootstrap_servers="127.0.0.1:24567")


def test_services_are_found_and_no_password_is_written(settings: Settings, started: Settings) -> None:
    note_running(started, own_postgres=True, own_kafka=True)
    running = find_running(settings.paths.var_dir)
    assert running is not None and running.process == identify(os.getpid())
    found = settings_of_running(settings)
    assert found.kafka.bootstrap_servers == "127.0.0.1:24567"
    assert found.postgres.dsn.get_secret_value() == started.postgres.dsn.get_secret_value()
    notes = [path for path in settings.paths.var_dir.glob("*") if path.is_file()]
    assert notes and not any(PASSWORD in path.read_text() for path in notes)
    forget_running(settings.paths.var_dir)
    assert find_running(settings.paths.var_dir) is None


def test_a_service_that_the_settings_name_stays_the_one_they_name(settings: Settings, started: Settings) -> None:
    note_running(started, own_postgres=True, own_kafka=True)
    named = settings.replaced(kafka_bootstrap_servers="broker:9092")
    assert settings_of_running(named).kafka.bootstrap_servers == "broker:9092"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": 1}', "null"])
def test_a_note_that_a_full_disk_cut_is_none(settings: Settings, text: str) -> None:
    settings.paths.var_dir.mkdir(parents=True)
    (settings.paths.var_dir / "running.json").write_text(text)
    assert find_running(settings.paths.var_dir) is None


def test_a_note_of_a_process_that_is_gone_is_none(settings: Settings, started: Settings) -> None:
    note_running(started, own_postgres=True, own_kafka=True)
    note = settings.paths.var_dir / "running.json"
    running = find_running(settings.paths.var_dir)
    assert running is not None
    gone = replace(running.process, start_ticks=running.process.start_ticks - 1)
    note.write_text(json.dumps({**json.loads(note.read_text()), "process": gone.__dict__}))
    assert find_running(settings.paths.var_dir) is None
    with pytest.raises(ServiceUnavailable, match="netheal does not run in .*: start it with `netheal up`.*--var"):
        named_broker(settings)


def test_the_password_stays_its_owners(settings: Settings, started: Settings) -> None:
    note_running(started, own_postgres=True, own_kafka=True)
    (settings.paths.var_dir / "postgres" / "password").unlink()
    with pytest.raises(ServiceUnavailable, match="password .* cannot be read"):
        settings_of_running(settings)
    assert not stat.S_IMODE((settings.paths.var_dir / "running.json").stat().st_mode) & stat.S_IWOTH


def test_other_folders_are_other_netheals(settings: Settings, started: Settings, tmp_path: Path) -> None:
    note_running(started, own_postgres=True, own_kafka=True)
    other = settings.replaced(var_dir=tmp_path / "other")
    assert settings_of_running(other) == other
