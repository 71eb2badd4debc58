"""Jars are fetched once, whole or not at all. Ivy is played by a shell script in the place of java."""

from collections.abc import Callable
from pathlib import Path

import pytest

from netheal.embedded.jars import broker_jars, fetch_jars, spark_jars
from netheal.errors import ServiceUnavailable, SettingsError

IVY = """#!/bin/sh
echo called >> "{folder}/calls"
test -e "{folder}/offline" && echo "  :: io.delta#delta-storage;4.4.0: not found" && exit 1
while [ "$1" != -retrieve ]; do shift; done
target=${{2%/\\[conf\\]*}}
mkdir -p "$target/spark" "$target/broker"
echo one > "$target/spark/a-1.jar"
echo two > "$target/broker/b-2.jar"
"""


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(IVY.format(folder=tmp_path))
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "ivy.xml").write_text("<first/>")
    return lambda: fetch_jars(tmp_path / "jars", tmp_path / "ivy.xml", tmp_path / "cache", tmp_path / "log")


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def test_a_second_time_nothing_is_fetched(fetch: Callable[[], bool], tmp_path: Path) -> None:
    assert fetch() is True
    assert [jar.name for jar in spark_jars(tmp_path / "jars")] == ["a-1.jar"]
    assert [jar.name for jar in broker_jars(tmp_path / "jars")] == ["b-2.jar"]
    assert fetch() is False
    assert calls(tmp_path) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "ivy.xml").write_text("<second/>"),
        lambda folder: (folder / "jars/spark/a-1.jar").write_text("cut"),
        lambda folder: (folder / "jars/broker/b-2.jar").unlink(),
        lambda folder: (folder / "jars/spark/stray.jar").touch(),
    ],
)
def test_what_changed_is_fetched_again(
    fetch: Callable[[], bool], tmp_path: Path, change: Callable[[Path], object]
) -> None:
    fetch()
    change(tmp_path)
    assert fetch() is True
    assert fetch() is False
    assert not (tmp_path / "jars/spark/stray.jar").exists()


def test_a_failure_says_why_and_keeps_what_was_there(fetch: Callable[[], bool], tmp_path: Path) -> None:
    fetch()
    (tmp_path / "ivy.xml").write_text("<second/>")
    (tmp_path / "offline").touch()
    with pytest.raises(ServiceUnavailable, match=r"could not be fetched .*delta-storage;4\.4\.0: not found"):
        fetch()
    assert spark_jars(tmp_path / "jars")


def test_no_jars_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="run `make setup`"):
        spark_jars(tmp_path)
