"""A class-data archive makes starts of Java quicker, or none at all: whatever is wrong with it, Java runs."""

import os
import subprocess
from pathlib import Path

from netheal.host.class_data import reading, writing
from netheal.host.java import find_java


def run_java(*options: str) -> str:
    java = str(find_java(os.environ))
    done = subprocess.run([java, *options, "-version"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


def test_java_reads_what_it_wrote(tmp_path: Path) -> None:
    archive = tmp_path / "of java.jsa"
    assert reading(archive) == ()
    run_java(*writing(archive))
    assert archive.stat().st_size > 0
    assert "objects file (top)" in run_java(*reading(archive), "-Xlog:class+load", "-cp", str(tmp_path))


def test_an_archive_of_something_else_is_ignored_without_a_word(tmp_path: Path) -> None:
    archive = tmp_path / "spark.jsa"
    archive.write_bytes(b"no archive" * 1000)
    plain = run_java().replace(", sharing", "")
    assert run_java(*reading(archive)).replace(", sharing", "") == plain
