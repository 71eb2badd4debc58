"""The job's metrics, scraped while it scores rows from a real broker, and what a log says of an event's batch."""

import json
from collections.abc import Callable
from functools import partial

import pytest
import requests

from netheal.cli.status_command import read_system_status
from netheal.embedded.running import JOB_METRICS_NOTE, noted_url
from netheal.store.database import connect
from netheal.traffic.generator import TrafficGenerator
from tests.deadlines import REQUEST_S
from tests.stack.harness import World, eventually

QUANTILES = ("0.5", "0.95")


def scrape(world: World) -> dict[str, float]:
    """Each sample by its name and labels, as text."""
    url = noted_url(world.settings.paths.var_dir / JOB_METRICS_NOTE)
    lines = [line for line in requests.get(url, timeout=REQUEST_S).text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def counts(world: World, name: str) -> bool:
    return scrape(world).get(name, 0) >= 1


def test_what_the_stream_does_is_measured(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.send([*TrafficGenerator(5).messages(300), b"{}", b"not json"])
    job = world.start()
    world.wait_done(302)
    found = eventually(lambda: f if (f := scrape(world)).get("netheal_job_rows_total") == 302 else None, "counted")
    scored = len(world.verdicts())
    assert found["netheal_job_messages_total"] == found["netheal_job_latency_seconds_count"] == scored > 200
    assert found['netheal_job_rejected_total{reason="not_json"}'] >= 1
    assert sum(value for name, value in found.items() if "job_rejected_total{" in name) == 302 - scored
    assert 0 < found["netheal_job_latency_seconds_sum"] < 300 * 600
    assert found["netheal_job_lag_rows"] == found["netheal_job_lag_seconds"] == 0
    eventually(lambda: scrape(world)['netheal_job_state{state="running"}'] == 1, "it is running")
    assert sum(name.startswith("netheal_job_model_info{") for name in found) == 2
    assert sum(name.startswith("netheal_job_model_activated_timestamp_seconds{") for name in found) == 2
    for step in ("plan", "pin", "score", "commit", "close"):
        name = f'netheal_job_step_seconds_count{{step="{step}"}}'
        eventually(partial(counts, world, name), name)
    assert found['netheal_job_events_total{event="model.loaded"}'] == 2
    (offsets,) = {json.dumps(event["offsets"]) for event in job.events("batch.committed")[:1]}
    assert json.loads(offsets)[0] == {"partition": 0, "start": 0, "end": 151}
    # Rows that wait have an age.
    with connect(world.dsn) as blocked, blocked.cursor() as cursor:
        cursor.execute("lock table batches in exclusive mode")
        world.send(TrafficGenerator(6).messages(10))
        waiting = eventually(lambda: f if (f := scrape(world)).get("netheal_job_lag_rows") else None, "they wait")
        assert waiting["netheal_job_lag_rows"] == 10
        assert 0 < waiting["netheal_job_lag_seconds"] < 60
        recent = read_system_status(world.settings).recent
        assert recent.oldest_waiting_s is not None and 0 < recent.oldest_waiting_s < 60
        assert recent.latency_s == {
            of: found[f'netheal_job_recent_latency_seconds{{quantile="{of}"}}'] for of in QUANTILES
        }
        assert recent.rejected_share == pytest.approx((302 - scored) / 302)
    world.wait_done(312)
    world.stop(job)
    assert noted_url(world.settings.paths.var_dir / JOB_METRICS_NOTE) == ""
