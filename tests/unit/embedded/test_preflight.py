"""Each thing that is missing gives one sentence that says what to do."""

import errno
import io
import json
import os
import shutil
import socket
import tempfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from netheal.cli import preflight as checking
from netheal.cli import version_checks
from netheal.cli.doctor import doctor, doctor_command
from netheal.cli.preflight import memory_bytes, preflight, run_checks
from netheal.cli.version_checks import pinned_packages
from netheal.errors import ServiceUnavailable, SettingsError
from netheal.host.lock import FolderLock
from netheal.host.ports import LOOPBACK
from netheal.settings import PROJECT_ROOT, Settings, load_settings


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
    for dependency in ET.parse(PROJECT_ROOT / "conf" / "ivy.xml").iter("dependency"):
        kind = dependency.attrib["conf"].partition("-")[0]
        (tmp_path / "jars" / kind / f"{dependency.attrib['name']}-{dependency.attrib['rev']}.jar").touch()
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
    assert doctor_command(machine, console=Console(file=out, width=300)) == 1
    text = out.getvalue()
    assert "problem" in text
    assert "run `make setup`" in text
    assert len(text.splitlines()) == len(doctor(machine))


def problems(settings: Settings) -> dict[str, str]:
    return {check.name: check.text for check in doctor(settings) if not check.ok}


def test_a_jar_of_another_version(machine: Settings, tmp_path: Path) -> None:
    jar = next((tmp_path / "jars/spark").glob("kafka-clients-*.jar"))
    jar.rename(jar.with_name("kafka-clients-1.0.0.jar"))
    assert f"{jar.name} not in" in problems(machine)["jar versions"]
    assert "netheal jars" in problems(machine)["jar versions"]


def test_a_package_of_another_version(machine: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"numpy==1.0 \\\n    --hash=sha256:0\nnot-there==2\nrich=={version('rich')}\n")
    assert set(pinned_packages(lock)) == {"numpy", "not-there", "rich"}
    monkeypatch.setattr(version_checks, "pinned_packages", lambda: pinned_packages(lock))
    told = problems(machine)["packages"]
    assert f"numpy is {version('numpy')}, 1.0 is needed; not-there is missing, 2 is needed: run `make setup`" == told


def test_without_a_lock_the_installed_netheal_says_what_it_needs(tmp_path: Path) -> None:
    assert pinned_packages(tmp_path / "none")["pyspark"] == version("pyspark")
    assert "ruff" not in pinned_packages(tmp_path / "none")


def test_a_store_that_cannot_be_written(machine: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, variable in {"store_root": "STORE_ROOT", "checkpoint_dir": "CHECKPOINT_DIR"}.items():
        told = problems(with_settings(machine, **{name: str(tmp_path / "file" / "delta")}))["folders"]
        assert "cannot be written and listed" in told and f"NETHEAL_{variable}" in told
    away = with_settings(machine, store_root="s3a://bucket/delta")
    assert any("not tried, as not on this machine: s3://bucket/delta" in check.text for check in doctor(away))


def test_servers_that_do_not_answer(machine: Settings) -> None:
    away = with_settings(
        machine, kafka_bootstrap_servers="127.0.0.1:1", postgres_dsn=SecretStr("postgresql://x:secret@127.0.0.1:1/z")
    )
    found = problems(away)
    assert "127.0.0.1:1 does not answer" in found["broker"] and "NETHEAL_KAFKA_BOOTSTRAP_SERVERS" in found["broker"]
    assert "NETHEAL_POSTGRES_DSN" in found["database"] and "secret" not in found["database"]


def test_doctor_changes_nothing_and_answers_as_json(machine: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(machine.paths.var_dir.parent.rglob("*"))
    assert doctor_command(machine, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"name": "checkpoint", "ok": True, "text": "none yet"} in found
    assert sorted(machine.paths.var_dir.parent.rglob("*")) == before
