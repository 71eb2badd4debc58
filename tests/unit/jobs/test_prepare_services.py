"""What the job says that it does at a start is what it does."""

import threading

import pytest

from jobs.stages import prepare_services, warm_up
from netheal.kafka import topics
from netheal.registry import starters
from netheal.settings import Settings
from netheal.store import delta_files


def test_each_step_is_told_before_it_is_done(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class NoConnection:
        def close(self) -> None:
            pass

    def step(name: str) -> None:
        def do(*_: object) -> None:
            seen.append(name)

        place = {
            "require_reachable": delta_files,
            "examine_starters": starters,
            "import_starters": starters,
            "ensure_stream_topics": topics,
        }
        monkeypatch.setattr(place.get(name, prepare_services), name, do)

    own = ("migrate", "_ask_broker")
    for name in ("require_reachable", "examine_starters", "import_starters", "ensure_stream_topics", *own):
        step(name)
    monkeypatch.setattr(prepare_services, "connect", lambda _: NoConnection())
    prepare_services.prepare_services(settings, threading.Event(), lambda told: seen.append(f"{told}:"))
    assert seen == [
        "looking at the stores:",
        "require_reachable",
        "examining the starter models:",
        "examine_starters",
        "awaiting PostgreSQL:",
        "making the tables:",
        "migrate",
        "importing the starter models:",
        "import_starters",
        "awaiting the Kafka broker:",
        "_ask_broker",
        "creating the topics:",
        "ensure_stream_topics",
        "awaiting the Spark session:",
    ]


def test_workers_are_warmed_by_modules_of_ours_alone() -> None:
    """A library named as text would pass the lint rule that has it imported with its telemetry off."""
    assert all(name.split(".")[0] in ("jobs", "netheal", "udfs") for name in warm_up._OF_A_TASK)
