"""The Java that Spark and the embedded broker run on."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from netheal.errors import SettingsError

SUPPORTED = (17, 21, 25)
ADVICE = "install a JDK 17, 21 or 25 (openjdk-17-jre-headless on Debian) or point JAVA_HOME at one"

NO_PERF_DATA = "-XX:-UsePerfData"
"""Without it every JVM keeps a file of counters in the system's /tmp."""


def contained(scratch: Path) -> tuple[str, str]:
    """Options of a JVM that writes its temporary files, native libraries among them, into `scratch` alone."""
    return NO_PERF_DATA, f"-Djava.io.tmpdir={scratch}"


def find_java(env: Mapping[str, str]) -> Path:
    """The java that JAVA_HOME names, else the one on PATH; raises SettingsError when there is none."""
    home = env.get("JAVA_HOME", "")
    if home:
        java = Path(home) / "bin" / "java"
        if not java.is_file():
            raise SettingsError(f"JAVA_HOME is {home}, where there is no bin/java: {ADVICE}")
        return java
    found = shutil.which("java", path=env.get("PATH"))
    if found is None:
        raise SettingsError(f"no java on PATH: {ADVICE}")
    return Path(found)


def java_major(version_text: str) -> int:
    """The major version in what `java -version` prints.

    >>> java_major('openjdk version "17.0.15" 2025-04-15'), java_major('java version "1.8.0_402"')
    (17, 8)
    """
    match = re.search(r'version "(?:1\.)?(\d+)', version_text)
    return int(match.group(1)) if match else 0


def checked_java(env: Mapping[str, str]) -> tuple[Path, int]:
    """The java and its major version; raises SettingsError when Spark cannot run on it."""
    java = find_java(env)
    try:
        done = subprocess.run(
            [str(java), NO_PERF_DATA, "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{java} does not run ({error}): {ADVICE}") from error
    major = java_major(done.stderr + done.stdout)
    if major not in SUPPORTED:
        raise SettingsError(f"{java} is Java {major or 'of an unknown version'}: {ADVICE}")
    return java, major
