"""A job that is frozen is said to be within seconds, with the rows that wait, and its outage is kept."""

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from netheal.host.process import recorded
from netheal.traffic.generator import TrafficGenerator
from tests.deadlines import REQUEST_S
from tests.stack.harness import NETHEAL, Job, eventually

pytestmark = pytest.mark.stack


def signal_job(var: Path, number: signal.Signals) -> None:
    """To the job's process, its JVM and its workers."""
    job = recorded(var / "job.pid")
    assert job is not None
    root = psutil.Process(job.pid)
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.Error):
            process.send_signal(number)


def asked(url: str, path: str) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        try:
            return dict(requests.get(f"{url}{path}", timeout=REQUEST_S).json())
        except requests.RequestException:
            return {}

    return ask


@pytest.mark.slow
def test_health_tells_of_a_start_of_a_frozen_job_and_of_its_return(var_folder: Path) -> None:
    up = Job([*NETHEAL, "up", "--var", str(var_folder)], {"NETHEAL_DRIVER_MEMORY": "1g"}, var_folder / "up.log")
    try:
        note = var_folder / "api.json"
        url = eventually(lambda: note.exists() and json.loads(note.read_text())["url"], "the API is up")
        health, outages = asked(url, "/health"), asked(url, "/api/v1/outages")
        seen: list[str | None] = []

        def tells(words: str) -> bool:
            return words in "".join(health().get("reasons", []))

        def ready() -> bool:
            seen.append(health().get("status"))
            return seen[-1] == "ok"

        eventually(ready, "all is well")
        assert "degraded" not in seen, "it cried wolf at a start"
        assert eventually(outages, "the outages are answered")["outages"] == []

        signal_job(var_folder, signal.SIGSTOP)
        flows = [json.loads(message) for message in TrafficGenerator(5, broken_share=0.0).messages(300)]
        assert requests.post(f"{url}/api/v1/traffic", json=flows, timeout=REQUEST_S).ok
        for told in ("the job has not answered since", "300 rows wait"):
            eventually(partial(tells, told), f"health tells: {told}")
        (lasting,) = eventually(lambda: outages().get("outages"), "the outage is kept")
        assert (lasting["subject"], lasting["ended_at"]) == ("job", None)

        signal_job(var_folder, signal.SIGCONT)
        eventually(lambda: health().get("status") == "ok", "all is well again")
        (over,) = eventually(lambda: (o := outages().get("outages")) and o[0]["ended_at"] and o, "the outage is over")
        assert over["started_at"] == lasting["started_at"] < over["ended_at"]
        up.terminate()
        assert up.wait_exit() == 0, up.tail()
    finally:
        up.kill()
