"""`netheal up` serves the API beside the job: found, scored through, kept up on its port, and ended with the rest."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from netheal.settings import PROJECT_ROOT
from tests.stack.harness import NETHEAL, Job, eventually, left_behind

pytestmark = pytest.mark.stack


def address(var: Path) -> Callable[[], dict[str, Any] | None]:
    note = var / "api.json"
    return lambda: json.loads(note.read_text()) if note.exists() else None


def said(url: str) -> Any:
    try:
        return requests.get(url, timeout=20).json()
    except requests.RequestException:
        return None


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_api_is_there_with_the_job(var_folder: Path) -> None:
    up = Job([*NETHEAL, "up", "--var", str(var_folder)], {"NETHEAL_DRIVER_MEMORY": "1g"}, var_folder / "up.log")
    try:
        first = eventually(address(var_folder), "the API is up", 90)
        assert f"dashboard and API: {first['url']}" in up.output()
        eventually(lambda: (said(first["url"] + "/health") or {}).get("ready"), "all is ready", 90)

        flow = {"service": "http", "flag": "SF", "src_bytes": 1, "dst_bytes": 1, "count": 1, "same_srv_rate": 1,
                "diff_srv_rate": 0, "dst_host_srv_count": 1, "dst_host_same_srv_rate": 1,
                "dst_host_same_src_port_rate": 0}  # fmt: skip
        (event,) = requests.post(first["url"] + "/api/v1/traffic", json=[flow], timeout=20).json()["ids"]
        found = eventually(
            lambda: (r := requests.get(f"{first['url']}/api/v1/predictions/{event}", timeout=20)).ok and r.json(),
            "the row is scored",
        )
        assert found

        with connect(first["url"].replace("http", "ws") + "/ws/realtime") as watching:
            # gunicorn alone: an open socket must not keep its worker, and that the port.
            os.kill(first["pid"], signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                while True:
                    watching.recv(timeout=30)
        again = eventually(
            lambda: (now := address(var_folder)()) and now["pid"] != first["pid"] and now, "the API is up again"
        )
        assert again["url"] == first["url"]
        assert said(again["url"] + "/health/live") == {"live": True}

        made = _netheal(again["url"], "tokens", "create", "alice", "--role", "viewer")
        assert made.returncode == 0 and made.stdout.startswith("nh_"), made.stderr
        assert "alice" in _netheal(again["url"], "tokens", "list").stdout
        up.terminate()
        assert up.wait_exit() == 0, up.tail()
        assert not left_behind(var_folder)
    finally:
        up.kill()


def test_a_port_that_is_taken_is_said_before_anything_starts(var_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*NETHEAL, "up", "--var", str(var_folder)],
            cwd=PROJECT_ROOT,
            env={**os.environ, "NETHEAL_API_PORT": port},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == f"netheal: port {port} is taken: end what listens there or change NETHEAL_API_PORT\n"
    assert not (var_folder / "postgres").exists()


def _netheal(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "NETHEAL_API_URL": url}
    return subprocess.run(
        [*NETHEAL, *words], cwd=PROJECT_ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
