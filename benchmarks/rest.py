"""Measure the API while the stream works: how quick answers are, and what changing models costs the stream.

.venv/bin/python benchmarks/rest.py --json
"""

import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import requests
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.latency import measure_latency
from benchmarks.machine import machine
from benchmarks.rows import produce_backlog, real_messages, repeated
from benchmarks.stack import Tell, fresh_stack, wait_drained
from netheal.cli.feed import TrafficFeed
from netheal.embedded.stack import LocalStack
from netheal.errors import NethealError, ServiceUnavailable
from netheal.settings import PROJECT_ROOT
from netheal.telemetry import configure_logging

ASKED = ("/predictions/stats", "/predictions?limit=100", "/models/", "/health", "/batches", "/quarantine")
MODEL_TYPE = "attack_classifier"
EVENTS = PROJECT_ROOT / "var" / "benchmarks" / "events.log"
_MODEL = PROJECT_ROOT / "research" / "models" / MODEL_TYPE / f"{MODEL_TYPE}.joblib"
_CLIENTS = 4
_PAUSE_S = 0.1
_FIRST_ROWS = 50_000
_CHANGE_S = 1.5
_TIMEOUT_S = 60.0


@dataclass
class Asking:
    """Some clients that ask one thing after another; milliseconds by path, and answers that were none."""

    url: str
    times_ms: dict[str, list[float]] = field(default_factory=lambda: {path: [] for path in ASKED})
    failed: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """They ask inside the `with`."""
        clients = [threading.Thread(target=self._ask, daemon=True) for _ in range(_CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._ended.set()
            for client in clients:
                client.join()

    def _ask(self) -> None:
        session = requests.Session()
        for path in itertools.cycle(ASKED):
            if self._ended.wait(_PAUSE_S):
                return
            begun = time.perf_counter()
            answer = session.get(self.url + path, timeout=_TIMEOUT_S)
            self.times_ms[path].append((time.perf_counter() - begun) * 1000)
            self.failed += answer.status_code != 200

    def figures(self) -> dict[str, dict[str, float]]:
        """Path -> asked, p50, p95, p99 in ms."""
        every = {**self.times_ms, "all": list(itertools.chain(*self.times_ms.values()))}
        return {path: _percentiles(times) for path, times in every.items()}


def _percentiles(times_ms: list[float]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(times_ms, (50, 95, 99))
    return {"asked": len(times_ms), **{k: round(float(v), 1) for k, v in (("p50", p50), ("p95", p95), ("p99", p99))}}


@contextmanager
def changing(url: str, changes: list[str]) -> Iterator[None]:
    """Activates another model and rolls back, in turns, while inside; notes each version in `changes`."""
    with _MODEL.open("rb") as bundle:
        form = {"model_type": MODEL_TYPE}
        model = _done(requests.post(f"{url}/models/upload", files={"file": bundle}, data=form, timeout=_TIMEOUT_S))
    ended = threading.Event()

    def change() -> None:
        for path in itertools.cycle((f"/models/{model['id']}/activate", f"/models/rollback/{MODEL_TYPE}")):
            if ended.wait(_CHANGE_S):
                return
            changes.append(_done(requests.post(url + path, timeout=_TIMEOUT_S))["model"]["model_version"])

    changer = threading.Thread(target=change, daemon=True)
    changer.start()
    try:
        yield
    finally:
        ended.set()
        changer.join()


def _done(answer: requests.Response) -> dict[str, Any]:
    if not answer.ok:
        raise ServiceUnavailable(f"the API refused: {answer.text}")
    return dict(answer.json())


def asked_under_load(stack: LocalStack, url: str, messages: list[bytes], rate: float, seconds: float) -> Asking:
    """The API's answers while rows come in at a rate."""
    feed = TrafficFeed(stack.settings, repeated(messages, round(rate * seconds)), rate)
    found = Asking(url)
    feed.start()
    try:
        with found.asking():
            while not feed.done and stack.failure is None:
                time.sleep(_PAUSE_S)
    finally:
        feed.stop()
    return found


def measure(data: Path, rate: float, seconds: float, tell: Tell) -> dict[str, Any]:
    """All figures."""
    messages = real_messages(data)
    with fresh_stack(tell) as stack:
        stack.start_api()
        stack.start_job()
        url = f"http://127.0.0.1:{stack.settings.api.port}/api/v1"
        produce_backlog(stack.settings, messages, _FIRST_ROWS)
        wait_drained(stack, tell)
        tell(f"asking while {rate:.0f} rows/s flow, for {seconds:.0f} s")
        found = asked_under_load(stack, url, messages, rate, seconds)
        wait_drained(stack, tell)
        quiet = measure_latency(stack, messages, 2_000, 5, 40, tell)
        changes: list[str] = []
        with changing(url, changes):
            changed = measure_latency(stack, messages, 2_000, 5, 40, tell)
    return {
        "rate_rows_per_s": rate,
        "rest_ms": found.figures(),
        "failed": found.failed,
        "latency_ms": quiet,
        "latency_ms_with_changes": changed,
        "changes": len(changes),
    }


def as_table(found: dict[str, Any]) -> Table:
    """A row a path, then the stream's latency."""
    table = Table("what", "n", "p50, ms", "p95, ms", "p99, ms", title=f"REST at {found['rate_rows_per_s']:.0f} rows/s")
    for path, figures in found["rest_ms"].items():
        table.add_row(path, *(f"{value:,.1f}" for value in figures.values()))
    for name, n in (("latency_ms", 0), ("latency_ms_with_changes", found["changes"])):
        table.add_row(f"stream at 2000 rows/s, {n} changes", "", *(f"{v:,.1f}" for v in found[name].values()))
    return table


def main(
    data: Annotated[Path, typer.Option(help="Folder of the public data sets.")] = PROJECT_ROOT.parent / "shared/data",
    rate: Annotated[float, typer.Option(help="Rows a second, about a third of what the machine can do.")] = 33_000,
    seconds: Annotated[float, typer.Option(help="Seconds of asking.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")] = False,
) -> None:
    """Run it and print the figures."""
    configure_logging(EVENTS)
    console = Console(stderr=True)
    try:
        found = measure(data, rate, seconds, lambda line: console.print(line, highlight=False))
    except NethealError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    console.print(as_table(found))
    if as_json:
        sys.stdout.write(json.dumps({**found, "machine": machine()}) + "\n")


if __name__ == "__main__":
    typer.run(main)
