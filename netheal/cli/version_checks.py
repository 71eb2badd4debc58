"""Whether the installed packages and the fetched jars are those that this version of netheal was built with."""

import re
import xml.etree.ElementTree as ET
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from netheal.errors import SettingsError
from netheal.settings import PROJECT_ROOT, Settings

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_MOST_NAMED = 4
_LOCK = PROJECT_ROOT / "requirements.lock"


def pinned_packages(lock: Path = _LOCK) -> dict[str, str]:
    """Package -> version, of the lock file of a checkout, else of what the installed netheal asks for."""
    lines = lock.read_text("utf-8").splitlines() if lock.is_file() else requires("netheal") or []
    required = (line for line in lines if "extra ==" not in line)
    return {found[1]: found[2] for line in required if (found := _PIN.match(line))}


def packages(_: Settings) -> str:
    """Raises SettingsError where one is missing or of another version."""
    pinned = pinned_packages()
    wrong = []
    for name, wanted in pinned.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} is {found}, {wanted} is needed")
    if wrong:
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise SettingsError(f"{'; '.join(wrong[:_MOST_NAMED])}{more}: run `make setup`")
    return f"{len(pinned)} packages as pinned, netheal {version('netheal')}"


def jar_versions(settings: Settings) -> str:
    """Raises SettingsError where a jar that the list names is not there in that version."""
    kinds = ["spark"] if settings.kafka.bootstrap_servers else ["spark", "broker"]
    missing, count = [], 0
    for dependency in ET.parse(settings.paths.conf_dir / "ivy.xml").iter("dependency"):
        kind = dependency.attrib["conf"].partition("-")[0]
        if kind in kinds:
            count += 1
            jar = settings.paths.tools_dir / kind / f"{dependency.attrib['name']}-{dependency.attrib['rev']}.jar"
            missing += [] if jar.is_file() else [jar.name]
    if missing:
        raise SettingsError(
            f"{', '.join(missing[:_MOST_NAMED])} not in {settings.paths.tools_dir}: run `make setup`, or `netheal jars`"
        )
    return f"{count} jars as listed in conf/ivy.xml"
