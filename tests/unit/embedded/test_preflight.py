"""Each thing that is missing gives one sentence that says what to do."""

import errno
import io
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from netheal.cli import preflight as checking
from netheal.cli.doctor import doctor, doctor_command
from netheal.cli.preflight import memory_bytes, preflight, run_checks
from netheal.errors import ServiceUnavailable, SettingsError
from netheal.host.lock import FolderLock
from netheal.host.ports import LOOPBACK
from netheal.settings import Settings, load_settings


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine that lacks nothing."""
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    for name in ("spark", "broker"):
        (tmp_path / "jars" / name).mkdir(parents=True)
        (tmp_path / "jars" / name / "a.jar").touch()
    folders = {"var_dir": tmp_path / "var", "tools_dir": tmp_path / "jars"}
    return load_settings(conf=tmp_path / "none.toml", api_port=0, **folders)


def with_settings(machine: Settings, **changes: object) -> Settings:
    return machine.replaced(**changes)


def test_a_machine_that_lacks_nothing(machine: Settings) -> None:
    preflight(machine)
    assert all(check.ok for check in doctor(machine))


def test_old_java(machine: Settings, tmp_path: Path) -> None:
    (tmp_path / "jdk/bin/java").write_text("#!/bin/sh\necho 'version \"11.0.1\"' >&2\n")
    with pytest.raises(SettingsError, match="is Java 11: install"):
        preflight(machine)


def test_no_jars(machine: Settings, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "jars/broker")
    with pytest.raises(SettingsError, match="no jars in .*broker: run `make setup`"):
        preflight(machine)
    preflight(with_settings(machine, kafka_bootstrap_servers="kafka:9092"))


def test_var_that_cannot_be_written(machine: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be written .*set NETHEAL_VAR_DIR"):
        preflight(with_settings(machine, var_dir=tmp_path / "file" / "var"))


def test_a_var_folder_on_a_full_disk(machine: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(ServiceUnavailable, match="disk full: "):
        preflight(machine)
    assert [check.text for check in run_checks(machine) if not check.ok and "disk full" in check.text]


def test_too_little_room_for_a_start(machine: Settings) -> None:
    with pytest.raises(SettingsError, match=r"iB of .*iB free at .*, .* are needed: free some or set NETHEAL_VAR_DIR"):
        preflight(with_settings(machine, min_free_disk_mb=2**40))


def test_too_little_memory(machine: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MEMORY_NEEDED_BYTES", 2**62)
    with pytest.raises(SettingsError, match="GiB of memory"):
        preflight(machine)


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    for name, text in {"limited": "1073741824\n", "unlimited": "max\n"}.items():
        (tmp_path / name).write_text(text)
    assert memory_bytes(2**33, (tmp_path / "limited", tmp_path / "absent")) == 2**30
    assert memory_bytes(2**33, (tmp_path / "unlimited",)) == 2**33


def test_a_port_that_is_taken(machine: Settings) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        settings = with_settings(machine, embedded_kafka_port=port)
        with pytest.raises(SettingsError, match=f"port {port} is taken.*NETHEAL_EMBEDDED_KAFKA_PORT"):
            preflight(settings)
        with FolderLock(settings.paths.var_dir):  # taken by the netheal that runs
            preflight(settings)


def test_doctor_prints_every_check_and_what_to_do(machine: Settings, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "jars")
    out = io.StringIO()
    assert doctor_command(machine, Console(file=out, width=300)) == 1
    text = out.getvalue()
    assert "problem" in text
    assert "run `make setup`" in text
    assert len(text.splitlines()) == len(doctor(machine))
