"""The jars that are not in a wheel: fetched by the Ivy that is inside pyspark."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from netheal.errors import NethealError, ServiceUnavailable, SettingsError
from netheal.host.java import contained, find_java
from netheal.settings import PROJECT_ROOT

CONFIGURATIONS = ("spark", "broker")
ATTEMPTS = 2
DEADLINE_S = 900


def spark_jars(folder: Path) -> list[Path]:
    """What the job adds to pyspark's own jars; raises SettingsError when they were not fetched."""
    return _list(folder / "spark")


def broker_jars(folder: Path) -> list[Path]:
    """What the embedded broker runs from; raises SettingsError when they were not fetched."""
    return _list(folder / "broker")


def fetch_jars(
    into: Path,
    ivy_file: Path = PROJECT_ROOT / "conf" / "ivy.xml",
    cache_dir: Path = PROJECT_ROOT / "var" / "cache" / "ivy",
    log_dir: Path = PROJECT_ROOT / "var" / "log",
) -> bool:
    """Put what `ivy_file` asks for into `into`/spark and `into`/broker; False when it was there already.

    Nothing in `into` changes before everything was fetched. Raises SettingsError or ServiceUnavailable.
    """
    stamp = into / "stamp.json"
    wanted = hashlib.sha256(ivy_file.read_bytes()).hexdigest()
    if stamp.exists() and json.loads(stamp.read_text()) == {"ivy": wanted, "files": _sizes(into)}:
        return False
    new = into / ".new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    _retrieve(new, ivy_file, cache_dir, log_dir / "ivy.log")
    stamp.unlink(missing_ok=True)
    for name in CONFIGURATIONS:
        shutil.rmtree(into / name, ignore_errors=True)
        (new / name).rename(into / name)
    new.rmdir()
    stamp.write_text(json.dumps({"ivy": wanted, "files": _sizes(into)}, indent=1))
    return True


def _retrieve(new: Path, ivy_file: Path, cache_dir: Path, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = [
        str(find_java(os.environ)),
        *contained(log.parent),
        f"-Divy.default.ivy.user.dir={cache_dir.with_name(cache_dir.name + '-user')}",
        "-jar",
        str(_ivy()),
        *("-ivy", str(ivy_file), "-cache", str(cache_dir), "-confs", *CONFIGURATIONS),
        *("-retrieve", f"{new}/[conf]/[artifact]-[revision].[ext]"),
    ]
    for _ in range(ATTEMPTS):
        with log.open("wb") as output:
            try:
                code = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=DEADLINE_S,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        if code == 0 and all((new / name).is_dir() for name in CONFIGURATIONS):
            return
    raise ServiceUnavailable(f"the jars could not be fetched ({_reason(log)}): see {log} and run `make setup` again")


def _reason(log: Path) -> str:
    lines = (line.strip() for line in log.read_text(errors="replace").splitlines())
    marks = ("unresolved dependency", "not found", "Server access", "FAILED", "Exception", "ERROR")
    return next((line.strip(": ") for line in lines if any(mark in line for mark in marks)), "no reason given")


def _ivy() -> Path:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SettingsError("the package pyspark is not installed: run `make setup`")
    found = sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar"))
    if not found:
        raise SettingsError(f"there is no Ivy in {Path(spec.origin).parent / 'jars'}: run `make clean setup`")
    return found[-1]


def _sizes(into: Path) -> dict[str, int]:
    return {
        str(path.relative_to(into)): path.stat().st_size
        for name in CONFIGURATIONS
        for path in sorted((into / name).glob("*.jar"))
    }


def _list(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.jar"))
    if not found:
        raise SettingsError(f"there are no jars in {folder}: run `make setup`")
    return found


def main() -> int:
    """`python -m netheal.embedded.jars [FOLDER]`."""
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT_ROOT / "var" / "jars"
    try:
        fetched = fetch_jars(into)
    except NethealError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(_sizes(into))} jars {'fetched into' if fetched else 'are in'} {into}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
