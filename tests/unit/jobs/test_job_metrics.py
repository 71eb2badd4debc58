"""What the job counts is shown under the declared names, and each once."""

import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from jobs.stages import job_metrics
from jobs.stages.job_metrics import JobMetrics
from jobs.stages.metrics_server import MetricsServer
from jobs.stages.receipt import TaskReceipt
from jobs.stages.state_reporter import StateReporter
from jobs.stages.step_clock import StepClock
from netheal.cli.recent_latency import read_recent_latency
from netheal.embedded.running import JOB_METRICS_NOTE, noted_url
from netheal.errors import SettingsError
from netheal.host.ports import LOOPBACK
from netheal.metrics import JOB_METRICS
from netheal.settings import Settings, load_settings
from netheal.verdicts.latency import BOUNDS_S, LatencyCounts
from tests.deadlines import REQUEST_S

NONE: list[tuple[int, str, str, int]] = []
LATENCIES = LatencyCounts((0, 8, 2, *[0] * (len(BOUNDS_S) - 2)), 2.5)


@pytest.fixture
def metrics() -> JobMetrics:
    return JobMetrics(lambda: "running")


def samples(metrics: JobMetrics) -> dict[str, float]:
    """Each sample under its name and the values of its labels."""
    families: list[Family] = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    return {" ".join([s.name, *s.labels.values()]): s.value for family in families for s in family.samples}


def receipt(attacks: int = 0, rejected: int = 0, latencies: LatencyCounts | None = None) -> TaskReceipt:
    counts = [(60, "prediction", "attack", attacks), (60, "action", "block_ip", attacks)]
    counts += [(0, "rejected", "nan", rejected)]
    return TaskReceipt(attacks, rejected, attacks, [], [], counts, latencies=latencies or LatencyCounts())


def test_a_batch_is_counted_with_its_rows_steps_and_latencies(metrics: JobMetrics) -> None:
    metrics.batch_committed([receipt(7, 1, LATENCIES), receipt(3, 0)], {"pin": 0.02, "score": 2.0})
    found = samples(metrics)
    assert found["netheal_job_batches_total committed"] == 1
    assert found["netheal_job_rows_total"] == 11
    assert found["netheal_job_messages_total"] == 10
    assert found["netheal_job_verdicts_total attack"] == 10
    assert found["netheal_job_rejected_total nan"] == 1
    assert found["netheal_job_step_seconds_sum score"] == 2
    assert found["netheal_job_step_seconds_bucket 0.025 pin"] == 1
    assert found["netheal_job_latency_seconds_count"] == 10
    assert found["netheal_job_latency_seconds_sum"] == 2.5
    assert found[f"netheal_job_latency_seconds_bucket {BOUNDS_S[1]}"] == 8
    assert found["netheal_job_recent_latency_seconds 0.5"] == BOUNDS_S[1]
    assert found["netheal_job_recent_latency_seconds 0.95"] == BOUNDS_S[2]
    assert found["netheal_job_last_batch_timestamp_seconds"] > 0


def test_failures_are_there_before_the_first_one(metrics: JobMetrics) -> None:
    assert samples(metrics)["netheal_job_failures_total commit"] == 0
    metrics.batch_failed("commit")
    found = samples(metrics)
    assert found["netheal_job_failures_total commit"] == found["netheal_job_batches_total failed"] == 1
    assert found["netheal_job_events_total model.failed"] == 0


def test_planning_is_what_spark_did_before_the_batch(metrics: JobMetrics) -> None:
    metrics.spark_progress({"latestOffset": 10, "queryPlanning": 20, "walCommit": 30, "addBatch": 500})
    found = samples(metrics)
    assert found["netheal_job_step_seconds_sum plan"] == pytest.approx(0.06)
    assert found["netheal_job_spark_seconds_sum addBatch"] == 0.5


def test_one_state_holds(metrics: JobMetrics) -> None:
    states = {name: value for name, value in samples(metrics).items() if name.startswith("netheal_job_state")}
    assert [name for name, value in states.items() if value] == ["netheal_job_state running"]
    assert len(states) == 5


def test_every_name_is_declared_with_its_meaning_and_labels(metrics: JobMetrics) -> None:
    declared = {metric.name: metric for metric in JOB_METRICS}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        name = family.name.removesuffix("_info")
        if name.endswith("_created"):
            continue
        assert family.documentation == declared[name].meaning
        assert name.endswith(declared[name].unit)
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels <= set(declared[name].labels)


def test_a_step_that_fails_is_the_current_one() -> None:
    clock = StepClock(iter([1.0, 3.0, 4.0]).__next__)
    with clock.step("pin"):
        pass
    with pytest.raises(ValueError, match="broken"), clock.step("score"):
        raise ValueError("broken")
    assert clock.current == "score" and clock.seconds == {"pin": 2.0}


def server_of(settings: Settings) -> MetricsServer:
    return MetricsServer(settings, StateReporter("", "flows"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(conf=tmp_path / "none.toml", var_dir=tmp_path, postgres_dsn="postgresql://x:y@127.0.0.1:1/z")


def test_it_is_served_on_loopback_where_status_finds_it_and_without_a_lag_that_is_not_known(settings: Settings) -> None:
    note = settings.paths.var_dir / JOB_METRICS_NOTE
    with server_of(settings) as server:
        metrics = server.metrics()
        assert server.metrics() is metrics
        url = noted_url(note)
        assert url.startswith("http://127.0.0.1:")
        answer = requests.get(url, timeout=REQUEST_S)
        assert 'netheal_job_state{state="starting"} 1.0' in answer.text
        assert "\nnetheal_job_lag_rows " not in answer.text
        assert f'netheal_job_disk_free_bytes{{folder="{settings.paths.var_dir}"}}' in answer.text
    assert noted_url(note) == ""


def test_an_address_that_is_taken_is_one_sentence(settings: Settings) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.raises(SettingsError, match="NETHEAL_JOB_METRICS_PORT"):
        server_of(settings.replaced(job_metrics_port=taken.getsockname()[1])).metrics()


def test_status_reads_the_latency_of_the_last_minutes(settings: Settings) -> None:
    with server_of(settings) as server:
        metrics = server.metrics()
        url = noted_url(settings.paths.var_dir / JOB_METRICS_NOTE)
        assert read_recent_latency(url) == {}, "no row was scored yet"
        metrics.batch_committed([receipt(10, 0, LATENCIES)], {})
        assert read_recent_latency(url) == {"0.5": BOUNDS_S[1], "0.95": BOUNDS_S[2]}
    assert read_recent_latency("http://127.0.0.1:1/metrics") == read_recent_latency("") == {}


def test_latencies_are_forgotten_after_minutes_and_counted_for_ever(
    metrics: JobMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.batch_committed([receipt(10, 0, LATENCIES)], {})
    later = time.monotonic() + 301
    monkeypatch.setattr(job_metrics, "time", SimpleNamespace(monotonic=lambda: later))
    found = samples(metrics)
    assert "netheal_job_recent_latency_seconds 0.5" not in found
    assert found["netheal_job_latency_seconds_count"] == 10
