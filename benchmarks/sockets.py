"""Measure what WebSockets cost REST: clients that read and clients that never do, at a steady rate of rows.

.venv/bin/python benchmarks/sockets.py --json
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import psutil
import requests
import typer
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.stack import Tell, fresh_stack
from benchmarks.watchers import Watchers
from netheal.embedded.stack import LocalStack
from netheal.errors import NethealError
from netheal.settings import PROJECT_ROOT
from netheal.telemetry import configure_logging
from netheal.traffic.pace import paced

PATHS = ("/health/live", "/api/v1/health", "/api/v1/predictions/stats")
EVENTS = PROJECT_ROOT / "var" / "benchmarks" / "events.log"
_ASK_EVERY_S = 0.05
_AFTER_S = 25.0

Figures = dict[str, Any]


def message(event_id: int) -> bytes:
    """A row as the job writes it; each tenth is an attack."""
    name, number, action = ("BENIGN", 0, "log_only") if event_id % 10 else ("DDoS", 2, "restart_service")
    return (
        f'{{"type":"prediction","timestamp":"2026-11-22T20:22:33.120Z","traffic_data_id":{event_id},'
        f'"threat_prediction":null,"attack_prediction":{{"id":{event_id},"attack_type_encoded":{number},'
        f'"attack_type_name":"{name}","confidence":0.98,"novelty":0.02,"is_novel":false,'
        f'"model_version":"decision_tree_v1_20261122","model_hash":"{"ab" * 32}"}},'
        f'"self_healing_action":{{"id":{event_id},"action_type":"{action}",'
        '"action_description":"Restarting service: apache2","status":"logged","action_params":{"service":"apache2"}},'
        '"flow":{"event_id":null,"event_time":null,"sensor_id":"sensor-1","src_ip":"192.0.2.7","dst_ip":"192.0.2.8",'
        '"src_port":443,"protocol":"6","extractor":null,"flow_id":null},"policy_version":"907662c37986"}'
    ).encode()


@dataclass
class Rows:
    """Rows at an even rate into the output topic, from a thread."""

    stack: LocalStack
    rate_per_s: float
    sent: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def coming(self) -> Iterator[None]:
        """They come inside the `with`."""
        thread = threading.Thread(target=self._send, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _send(self) -> None:
        settings = self.stack.settings
        producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers, "linger.ms": 5})
        for step in paced(None, self.rate_per_s, time.monotonic, time.sleep):
            if self._ended.is_set():
                break
            for event_id in range(self.sent, self.sent + step):
                producer.produce(settings.stream.output_topic, message(event_id))
            producer.poll(0)
            self.sent += step
        producer.flush(30)


def ask(url: str, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of answers by path, one question after another, twenty a second at most."""
    took: dict[str, list[float]] = {path: [] for path in PATHS}
    session, limit = requests.Session(), time.monotonic() + seconds
    while time.monotonic() < limit:
        for path in PATHS:
            began = time.monotonic()
            session.get(url + path, timeout=30).raise_for_status()
            took[path].append((time.monotonic() - began) * 1000)
            time.sleep(max(0.0, began + _ASK_EVERY_S - time.monotonic()))
    return took


def percentiles(took: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Path -> p50, p95, p99 and n."""
    return {
        path: {
            **{f"p{p}": round(float(np.percentile(times, p)), 1) for p in (50, 95, 99)},
            "most": round(max(times), 1),
            "n": len(times),
        }
        for path, times in took.items()
    }


def state(worker: psutil.Process) -> dict[str, float]:
    """Threads and memory of gunicorn's worker."""
    return {"threads": worker.num_threads(), "mib": round(worker.memory_info().rss / 2**20, 1)}


def wave(stack: LocalStack, worker: psutil.Process, plan: dict[str, Any], tell: Tell) -> Figures:
    """Clients come, rows come, clients go."""
    url = f"http://127.0.0.1:{stack.settings.api.port}"
    with Watchers(stack.settings.api.port, plan["live"], plan["stalled"]) as watchers:
        tell(f"{plan['live']} clients read, {plan['stalled']} do not; {plan['rate_per_s']:.0f} rows/s")
        rows = Rows(stack, plan["rate_per_s"])
        cpu = worker.cpu_times()
        with rows.coming():
            took = ask(url, plan["seconds"])
            during = state(worker)
        spent = worker.cpu_times()
        time.sleep(3)
        seen = watchers.finish()
    time.sleep(_AFTER_S)
    return {
        "rest_ms": percentiles(took),
        "during": during,
        "after": state(worker),
        "cores": round((spent.user + spent.system - cpu.user - cpu.system) / plan["seconds"], 2),
        "rows": rows.sent,
        "seen": seen,
        "unaccounted": rows.sent - seen["counted_rows"] - seen["counted_skipped"],
        "metrics": live_metrics(url),
    }


def live_metrics(url: str) -> dict[str, float]:
    """What the API itself counts of its sockets."""
    lines = requests.get(f"{url}/metrics", timeout=10).text.splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("netheal_live")}


def measure(plan: dict[str, Any], waves: int, tell: Tell) -> Figures:
    """A stack without a job: REST alone first, then the waves."""
    with fresh_stack(tell) as stack:
        stack.start_api()
        url = f"http://127.0.0.1:{stack.settings.api.port}"
        wait_answers(url)
        worker = psutil.Process(stack.pids["api"]).children()[0]
        ask(url, 5)
        tell("REST alone")
        alone = percentiles(ask(url, 10))
        before = state(worker)
        return {
            "alone_ms": alone,
            "before": before,
            "waves": [wave(stack, worker, plan, tell) for _ in range(waves)],
        }


def wait_answers(url: str) -> None:
    """Until the API is up."""
    limit = time.monotonic() + 60
    while True:
        try:
            requests.get(f"{url}/health/live", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            if time.monotonic() > limit:
                raise
            time.sleep(0.2)


def as_table(found: Figures) -> Table:
    """REST's times, and the worker, before and in each wave."""
    table = Table(
        "figure", "before", *(f"wave {n + 1}" for n in range(len(found["waves"]))), title="WebSockets and REST"
    )
    for path in PATHS:
        for name in ("p50", "p95", "p99"):
            values = [found["alone_ms"][path], *(wave["rest_ms"][path] for wave in found["waves"])]
            table.add_row(f"{path} {name}, ms", *(f"{value[name]:.1f}" for value in values))
    for name in ("threads", "mib"):
        table.add_row(f"{name}, with clients", "", *(f"{wave['during'][name]:.0f}" for wave in found["waves"]))
        afterwards = (f"{wave['after'][name]:.0f}" for wave in found["waves"])
        table.add_row(f"{name}, without", f"{found['before'][name]:.0f}", *afterwards)
    for name in ("cores", "rows", "unaccounted"):
        table.add_row(name, "", *(f"{wave[name]:,}" for wave in found["waves"]))
    return table


def main(
    live: Annotated[int, typer.Option(min=1, help="Clients that read.")] = 100,
    stalled: Annotated[int, typer.Option(min=0, help="Clients that never read.")] = 50,
    rate: Annotated[float, typer.Option(min=1, help="Rows a second.")] = 2_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long a wave lasts.")] = 30,
    waves: Annotated[int, typer.Option(min=1, help="Times that all clients come and go.")] = 2,
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Measure REST beside WebSockets."""
    configure_logging(EVENTS)
    console = Console(stderr=json_output)
    load = psutil.getloadavg()[0]
    plan = {"live": live, "stalled": stalled, "rate_per_s": rate, "seconds": seconds}
    try:
        found = measure(plan, waves, console.print)
    except NethealError as error:
        console.print(f"{error}", style="red", markup=False)
        raise typer.Exit(1) from error
    console.print(as_table(found))
    if json_output:
        document = {"sockets": found, "plan": plan, "load": round(load, 2), "machine": machine()}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
