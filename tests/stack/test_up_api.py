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

from netheal.contracts import contract
from netheal.settings import PROJECT_ROOT
from tests.deadlines import DEADLINE_S, REQUEST_S
from tests.stack.harness import NETHEAL, Job, eventually, left_behind

pytestmark = pytest.mark.stack


def address(var: Path) -> Callable[[], dict[str, Any] | None]:
    note = var / "api.json"
    return lambda: json.loads(note.read_text()) if note.exists() else None


def said(url: str) -> Any:
    try:
        return requests.get(url, timeout=REQUEST_S).json()
    except requests.RequestException:
        return None


@pytest.mark.slow
def test_the_api_is_there_with_the_job(var_folder: Path) -> None:
    up = Job([*NETHEAL, "up", "--var", str(var_folder)], {"NETHEAL_DRIVER_MEMORY": "1g"}, var_folder / "up.log")
    try:
        first = eventually(address(var_folder), "the API is up")
        assert f"dashboard and API: {first['url']}" in up.output()
        eventually(lambda: (said(first["url"] + "/health") or {}).get("ready"), "all is ready")

        flow = {"service": "http", "flag": "SF", "src_bytes": 1, "dst_bytes": 1, "count": 1, "same_srv_rate": 1,
                "diff_srv_rate": 0, "dst_host_srv_count": 1, "dst_host_same_srv_rate": 1,
                "dst_host_same_src_port_rate": 0}  # fmt: skip
        (event,) = requests.post(first["url"] + "/api/v1/traffic", json=[flow], timeout=REQUEST_S).json()["ids"]
        found = eventually(
            lambda: (
                (r := requests.get(f"{first['url']}/api/v1/predictions/{event}", timeout=REQUEST_S)).ok and r.json()
            ),
            "the row is scored",
        )
        assert found

        with connect(first["url"].replace("http", "ws") + "/ws/realtime") as watching:
            # gunicorn alone: an open socket must not keep its worker, and that the port.
            os.kill(first["pid"], signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                while True:
                    watching.recv(timeout=REQUEST_S)
        again = eventually(
            lambda: (now := address(var_folder)()) and now["pid"] != first["pid"] and now, "the API is up again"
        )
        assert again["url"] == first["url"]
        assert said(again["url"] + "/health/live") == {"live": True}

        made = _netheal(var_folder, "tokens", "create", "alice", "--role", "viewer")
        assert made.returncode == 0 and made.stdout.startswith("nh_"), made.stderr
        assert "alice" in _netheal(var_folder, "tokens", "list").stdout
        _others_of_the_folder_find_it(var_folder, again["url"])
        up.terminate()
        assert up.wait_exit() == 0, up.tail()
        assert up.output().splitlines()[-1] == "stopped: every row that came is in every sink"
        assert "%" not in up.output(), "librdkafka prints its own lines"
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
            timeout=REQUEST_S,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == f"netheal: port {port} is taken: end what listens there or change NETHEAL_API_PORT\n"
    assert not (var_folder / "postgres").exists()


def _others_of_the_folder_find_it(var: Path, url: str) -> None:
    """Without a word of where broker and PostgreSQL are."""
    before = json.loads(_netheal(var, "status", "--json").stdout)
    assert before["running"] and before["stream"]["alive"] and before["api_url"] == url
    assert {"broker", "postgres", "job", "api"} == before["services"].keys()
    assert all(service["pid"] for service in before["services"].values())
    flows = var / "flows.csv"
    names = [feature.name for feature in contract("threat/v1").features]
    flows.write_text(",".join(names) + "\n" + ",".join(["http", "SF", *["1"] * (len(names) - 2)]) + "\n")
    sent = _netheal(var, "traffic", "send", str(flows))
    assert sent.returncode == 0 and "1 rows sent" in sent.stdout, sent.stderr

    def scored() -> bool:
        totals = json.loads(_netheal(var, "status", "--json").stdout)["totals"]
        return bool(totals["total_predictions"] == before["totals"]["total_predictions"] + 1)

    eventually(scored, "the row that was sent is scored")
    shown = _netheal(var, "status")
    assert shown.returncode == 0 and "running" in shown.stdout and "lag" in shown.stdout, shown.stdout
    assert "and its stream runs" in _netheal(var, "doctor").stdout.replace("\n", " ").replace("  ", " ")
    assert "starter model" in _netheal(var, "models", "list", "--json").stdout.lower()


def _netheal(var: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NETHEAL, *words, "--var", str(var)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
