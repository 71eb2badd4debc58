"""Measure how long people wait for counts and pages of verdicts, with millions of them in the serving store.

.venv/bin/python benchmarks/stats.py --rows 5000000
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import numpy as np
import typer
from pydantic import SecretStr
from rich.table import Table
from werkzeug.serving import WSGIRequestHandler, make_server

from api.app import create_app
from api.paging import BY_EVENT
from benchmarks.command import exit_on_failure, open_console, write_json
from benchmarks.stack import Tell
from netheal.contracts.event_id import PARTITIONS_PER_TOPIC, event_id
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.settings import Settings, load_settings
from netheal.store.database import connect, migrate, transaction
from netheal.store.partitions import ensure_partitions

DAYS = 5
_PERCENTILES = (50, 95, 99)
_WARMUP = 20

_VERDICTS = """
insert into verdicts (event_id, recorded_at, batch_id, is_attack, threat_score, attack_class_id, attack_confidence,
    action_type, action_status, sensor_id, src_ip, dst_ip, threat_model_id, attack_model_id, action_description,
    action_params)
select n / 2 * %(partitions)s + n %% 2, %(begin)s + (n / %(rows)s::float8) * %(span)s, n / 20000, n %% 20 = 0,
    (n %% 97) / 97.0,
    case when n %% 1000000 = 0 then 13 when n %% 20 = 0 then 1 + n / 20 %% 8 else 0 end, 0.98,
    case when n %% 20 = 0 then 'restart_service' else 'log_only' end, 'logged', 'sensor-' || n %% 3,
    '198.51.100.' || n %% 255, '192.168.10.' || n / 7 %% 255, 1, 2,
    case when n %% 20 = 0 then 'Restarting service: apache2' else 'Logging only' end,
    case when n %% 20 = 0 then '{"service": "apache2"}' else '{}' end
from generate_series(%(first)s::bigint, %(last)s) n
"""
_MODELS = """
insert into models (model_type, version, model_version, state, bundle_hash, manifest) values
    ('threat_detector', '1', 'ensemble_v1', 'active', repeat('a', 64), '{"threshold": 0.5}'),
    ('attack_classifier', '2', 'decision_tree_v1', 'active', repeat('b', 64), '{}')
"""
_COUNTS = """
insert into minute_counts select date_trunc('minute', recorded_at), 'prediction',
    case when is_attack then 'attack' else 'normal' end, count(*) from verdicts group by 1, 3;
insert into minute_counts select date_trunc('minute', recorded_at), 'class', 'class ' || attack_class_id, count(*)
    from verdicts group by 1, 3;
insert into total_counts select kind, name, sum(n) from minute_counts group by kind, name
"""
_CHUNK_ROWS = 500_000


@dataclass(frozen=True)
class Question:
    """What is asked, and how often."""

    name: str
    path: str
    times: int


def questions(rows: int, begin: datetime, times: int) -> list[Question]:
    """The counts as often as told; the last one finds nothing, so that it reads every row or gives up."""
    deep = BY_EVENT.cursor(SimpleNamespace(recorded_at=begin + timedelta(days=DAYS) / 10, event_id=2**40))
    fewer = max(1, times // 5)
    return [
        Question("stats", "/predictions/stats", times),
        Question("timeline, 15 minutes", "/predictions/timeline", fewer),
        Question("first page of 100", "/predictions", fewer),
        Question("deep page of 100", f"/predictions?cursor={deep}", fewer),
        Question("attacks, 1 in 20", "/predictions?attack=true", fewer),
        Question("rare class, 1 in 1,000,000", "/predictions?class=Infiltration", fewer),
        Question("one verdict by its id", f"/predictions/{event_id(partition=0, offset=rows // 4)}", fewer),
        Question("an address that is in no row", "/predictions?src_ip=192.0.2.1", 3),
    ]


@contextmanager
def filled_store(rows: int, tell: Tell) -> Iterator[tuple[Settings, datetime]]:
    """A fresh Postgres with `rows` verdicts over the last days, and the moment of the first."""
    with tempfile.TemporaryDirectory(prefix="netheal-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "postgres", 0, folder / "log")
        try:
            server.start()
            settings = load_settings(
                var_dir=folder / "var", postgres_dsn=SecretStr(server.dsn), api_requests_per_minute=10**9
            )
            yield settings, fill(server.dsn, rows, tell)
        finally:
            server.stop()


def fill(dsn: str, rows: int, tell: Tell) -> datetime:
    """Verdicts in the order of their time, as a stream writes them, and their counts."""
    migrate(dsn)
    connection = connect(dsn)
    try:
        ensure_partitions(connection)
        begin = datetime.now(UTC) - timedelta(days=DAYS)
        told = {"begin": begin, "span": timedelta(days=DAYS), "rows": rows, "partitions": PARTITIONS_PER_TOPIC}
        with transaction(connection) as cursor:
            cursor.execute(_MODELS)
        for first in range(1, rows + 1, _CHUNK_ROWS):
            last = min(rows, first + _CHUNK_ROWS - 1)
            with transaction(connection) as cursor:
                cursor.execute(_VERDICTS, {**told, "first": first, "last": last})
            tell(f"{last:,} rows")
        with transaction(connection) as cursor:
            cursor.execute(_COUNTS)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
        return begin
    finally:
        connection.close()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@contextmanager
def served(settings: Settings) -> Iterator[HTTPConnection]:
    """The application over real HTTP, on loopback, and a client's connection to it."""
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True, request_handler=_Quiet)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    client = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        serving.join()
        server.server_close()


def ask(client: HTTPConnection, question: Question) -> dict[str, float]:
    """Percentiles in ms of one question asked again and again; `status` is that of the last answer."""
    times_ms, status = [], 0
    for number in range(question.times + min(_WARMUP, question.times - 1)):
        begun = time.perf_counter()
        client.request("GET", f"/api/v1{question.path}")
        answer = client.getresponse()
        answer.read()
        if number >= min(_WARMUP, question.times - 1):
            times_ms.append((time.perf_counter() - begun) * 1000)
        status = answer.status
    values = np.percentile(times_ms, _PERCENTILES)
    found = {f"p{p}": round(float(value), 2) for p, value in zip(_PERCENTILES, values, strict=True)}
    return {"times": question.times, **found, "status": status}


def as_table(found: dict[str, dict[str, float]], rows: int) -> Table:
    """A row a question."""
    table = Table("question", "times", "p50, ms", "p95, ms", "p99, ms", "status", title=f"Answers with {rows:,} rows")
    for name, values in found.items():
        percentiles = (f"{values[f'p{p}']:,.2f}" for p in _PERCENTILES)
        table.add_row(name, str(values["times"]), *percentiles, str(values["status"]))
    return table


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Verdicts in the serving store.")] = 5_000_000,
    times: Annotated[int, typer.Option(min=10, help="How often the counts are asked for.")] = 500,
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Measure what the reading half of the API takes."""
    console = open_console(json_output)
    with (
        exit_on_failure(console),
        filled_store(rows, console.print) as (settings, begin),
        served(settings) as client,
    ):
        load = os.getloadavg()[0]
        found = {question.name: ask(client, question) for question in questions(rows, begin, times)}
    console.print(as_table(found, rows))
    console.print(f"load before: {load:.2f}")
    if json_output:
        document = {"answers_ms": found, "rows": rows, "load": round(load, 2)}
        write_json(document)


if __name__ == "__main__":
    typer.run(main)
