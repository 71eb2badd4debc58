"""An environment of its own for quixstreams, whose requirements and ours exclude each other."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.stack import Tell
from netheal.errors import SettingsError
from netheal.settings import PROJECT_ROOT

LOCK = PROJECT_ROOT / "benchmarks" / "quixstreams.lock"
FOLDER = PROJECT_ROOT / "var" / "benchmarks" / "quixstreams"
UV = PROJECT_ROOT / ".tools" / "bin" / "uv"


def quixstreams_python(tell: Tell) -> Path:
    """The interpreter of the environment, which is made, or made anew where the lock has changed.

    Raises SettingsError where uv is missing or cannot install.
    """
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    if not UV.is_file():
        raise SettingsError("uv is not here: run `make setup`")
    tell("installing quixstreams into an environment of its own")
    _uv("venv", "--clear", "--python", sys.executable, str(FOLDER))
    _uv("pip", "sync", "--require-hashes", "--python", str(python), str(LOCK))
    stamp.write_text(wanted)
    return python


def _uv(*arguments: str) -> None:
    """Run uv, whose own progress goes to stderr, as in the Makefile: nothing is written outside the project."""
    ours = {"UV_CACHE_DIR": str(PROJECT_ROOT / "var" / "cache" / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
    for pip, uv in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_EXTRA_INDEX_URL", "UV_INDEX")):
        if pip in os.environ and uv not in os.environ:
            ours[uv] = os.environ[pip]
    done = subprocess.run([str(UV), *arguments], env={**os.environ, **ours}, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise SettingsError(f"uv {arguments[0]} failed with status {done.returncode}; its output is above")
