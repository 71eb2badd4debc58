"""Which Java is good enough."""

from pathlib import Path

import pytest

from netheal.errors import SettingsError
from netheal.host.java import checked_java, find_java, java_major


def fake_java(home: Path, version: str) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho '{version}' >&2\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_402"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Da=b\nopenjdk version "25.0.1"', 25),
        ("no java at all", 0),
    ],
)
def test_major(text: str, major: int) -> None:
    assert java_major(text) == major


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "home", 'version "21.0.1"')
    other = fake_java(tmp_path / "other", 'version "17.0.1"')
    env = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(other.parent)}
    assert checked_java(env) == (home, 21)
    assert find_java({"PATH": str(other.parent)}) == other


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"PATH": "/nonexistent"}, "no java on PATH: install a JDK 17"),
        ({"JAVA_HOME": "/nonexistent"}, "there is no bin/java"),
    ],
)
def test_no_java(env: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        find_java(env)


def test_an_old_java_is_refused(tmp_path: Path) -> None:
    fake_java(tmp_path, 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(SettingsError, match="is Java 11: install a JDK 17, 21 or 25"):
        checked_java({"JAVA_HOME": str(tmp_path)})
