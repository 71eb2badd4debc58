"""netheal talks to nobody but the services that it is told of, and writes into no folder but its own."""

import json
import os
import shutil
from pathlib import Path

import psutil
import pytest
import requests

from netheal.settings import PROJECT_ROOT
from tests.deadlines import DEADLINE_S, REQUEST_S
from tests.stack.harness import NETHEAL, Job, eventually, left_behind
from tests.stack.system_calls import read_trace, traced

pytestmark = pytest.mark.stack

MODEL = PROJECT_ROOT / "research" / "models" / "attack_classifier" / "attack_classifier.joblib"
ALLOWED = ("/dev/null", "/dev/tty", "/proc/", "/dev/shm/PostgreSQL.")
"""No files: devices, and PostgreSQL's shared memory."""


def allowed(path: Path, var: Path) -> bool:
    compiled = path.is_relative_to(PROJECT_ROOT) and "__pycache__" in path.parts
    return path.is_relative_to(var) or compiled or str(path).startswith(ALLOWED)


def scored(stats: str) -> int:
    """The rows that are scored so far, as the API answers; 0 where it does not."""
    try:
        return int(requests.get(stats, timeout=REQUEST_S).json().get("total_predictions", 0))
    except requests.RequestException:
        return 0


@pytest.mark.slow
def test_up_opens_no_socket_beyond_loopback_and_writes_nothing_outside_its_folder(
    var_folder: Path, tmp_path: Path
) -> None:
    if shutil.which("strace") is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("strace is not installed: apt-get install strace")
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    env = {"HOME": str(home), "NETHEAL_DRIVER_MEMORY": "1g", "ORT_DISABLE_TELEMETRY": "0"}
    argv = [*traced(trace), *NETHEAL, "up", "--var", str(var_folder), "--traffic", "generated", "--rate", "100"]
    up = Job(argv, env, tmp_path / "up.log")
    try:
        note = var_folder / "api.json"
        url = eventually(lambda: note.exists() and json.loads(note.read_text())["url"], "the API is up")
        stats = f"{url}/api/v1/predictions/stats"
        eventually(lambda: scored(stats) > 0, "rows are scored")
        with MODEL.open("rb") as file:
            form = {"model_type": "attack_classifier", "description": "the same again"}
            sent = requests.post(f"{url}/api/v1/models/upload", files={"file": file}, data=form, timeout=DEADLINE_S)
        assert sent.status_code in (201, 409), sent.text
        (netheal,) = psutil.Process(up.process.pid).children()
        netheal.terminate()
        assert up.wait_exit() == 0, up.tail()
        eventually(lambda: not left_behind(var_folder), "all processes are gone")
    finally:
        up.kill()
    seen = read_trace(trace)
    assert var_folder / "job.pid" in seen.written, "the trace does not show what netheal writes"
    assert "127.0.0.1" in seen.addresses, "the trace does not show whom netheal talks to"
    assert seen.beyond_loopback() == []
    assert sorted(str(path) for path in seen.written if not allowed(path, var_folder)) == []
    assert list(home.iterdir()) == []
