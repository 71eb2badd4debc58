"""What an earlier version has left is opened by this one: tables migrated, nothing lost or twice, the same bits."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from api.app import create_app
from netheal.embedded.kafka import EmbeddedKafka
from netheal.registry.artefacts import Artefacts
from netheal.registry.records import list_models
from netheal.settings import PROJECT_ROOT, load_settings
from netheal.store.database import connect
from netheal.store.progress import head_revision
from netheal.traffic.generator import TrafficGenerator
from tests.stack.conftest import Services
from tests.stack.exactly_once import assert_exactly_once
from tests.stack.harness import NETHEAL, Job, World, clear_away
from tests.stack.registry import roll_back
from tests.stack.stored_stream import DUMP, Outcome, read_outcome, restore_database, row_digests, unpack

pytestmark = pytest.mark.stack

STREAMS = sorted((PROJECT_ROOT / "tests" / "fixtures" / "upgrade").glob("revision_*.tar.xz"))
NEW_ROWS = 60
RETENTION_HOURS = 1_000_000
QUICK_JVM = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"}


@dataclass(frozen=True)
class Upgraded:
    """A stream of an earlier version that this one has gone on with."""

    world: World
    job: Job
    outcome: Outcome
    found_revision: str

    @cached_property
    def client(self) -> FlaskClient:
        """The API of this version."""
        return create_app(self.world.settings).test_client()

    def ask(self, path: str) -> dict[str, Any]:
        """GET of the API."""
        answer = self.client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def pages(self, path: str, rows: str) -> list[dict[str, Any]]:
        """All that a list of the API has, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.ask(f"{path}?limit=50{cursor}")
            found += page[rows]
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={page['next_cursor']}"


@pytest.fixture(scope="module", params=STREAMS, ids=lambda file: file.name.partition(".")[0])
def upgraded(request: pytest.FixtureRequest, services: Services) -> Iterator[Upgraded]:
    """The stream goes on from its checkpoint, and gets more rows."""
    folder = Path(tempfile.mkdtemp(prefix="netheal-upgraded-"))
    folder.chmod(0o755)
    unpack(request.param, folder)
    outcome = read_outcome(folder)
    tools = load_settings().paths.tools_dir
    kafka = EmbeddedKafka(folder / "kafka", tools, 0, folder / "log", heap_mb=384, retention_hours=RETENTION_HOURS)
    failed = True
    try:
        kafka.start()
        world = _world(folder, kafka, services.new_database(f"upgrade_{outcome.revision}"))
        restore_database(folder / DUMP, world.dsn)
        ((revision,),) = world.ask("select version_num from alembic_version")
        job = world.start(**QUICK_JVM)
        rows = len(outcome.verdicts) + len(outcome.quarantine) + len(outcome.waiting)
        world.wait_done(rows)
        world.send(TrafficGenerator(12, broken_share=0.1).messages(NEW_ROWS))
        world.wait_done(rows + NEW_ROWS)
        world.stop(job)
        yield Upgraded(world, job, outcome, revision)
        failed = False
    finally:
        kafka.stop()
        clear_away(folder, failed)


def _world(folder: Path, kafka: EmbeddedKafka, dsn: str) -> World:
    """With the days of the stored rows served, however long ago they were."""
    (folder / "no-models").mkdir()
    settings = load_settings(
        var_dir=folder,
        starter_models_dir=folder / "no-models",
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        postgres_dsn=SecretStr(dsn),
        serving_days=36_500,
        max_offsets_per_batch=40,
        driver_memory="1g",
    )
    return World(settings)


def test_streams_of_earlier_versions_are_kept() -> None:
    assert "revision_0005.tar.xz" in [file.name for file in STREAMS]


def test_the_tables_are_migrated(upgraded: Upgraded) -> None:
    assert upgraded.found_revision == upgraded.outcome.revision
    assert upgraded.world.ask("select version_num from alembic_version") == [(head_revision(),)]


def test_the_open_batch_is_replayed_with_the_models_that_it_was_pinned_to(upgraded: Upgraded) -> None:
    (replayed,) = upgraded.job.events("batch.replayed")
    assert (replayed["batch_id"], replayed["models"]) == (upgraded.outcome.open_batch, upgraded.outcome.open_models)
    hashes = set(upgraded.outcome.active.values())
    assert upgraded.outcome.rolled_back_to not in hashes, "another model is active by now"


def test_old_rows_and_those_of_the_open_batch_are_the_same_bits(upgraded: Upgraded) -> None:
    outcome = upgraded.outcome
    for name, expected in (("verdicts", outcome.verdicts), ("quarantine", outcome.quarantine)):
        found = row_digests(getattr(upgraded.world, name)(), outcome.columns[name])
        assert {event: found.get(event) for event in expected} == expected


def test_new_rows_follow_with_nothing_lost_or_twice(upgraded: Upgraded) -> None:
    world, outcome = upgraded.world, upgraded.outcome
    assert_exactly_once(world)
    ids = {*world.verdicts()["event_id"].to_pylist(), *world.quarantine()["event_id"].to_pylist()}
    old = {int(event) for event in (*outcome.verdicts, *outcome.quarantine)}
    assert ids >= {*old, *outcome.waiting} and len(ids) == len(old) + len(outcome.waiting) + NEW_ROWS


def test_every_old_row_reads_by_the_api_and_is_verified(upgraded: Upgraded) -> None:
    outcome = upgraded.outcome
    listed = {str(row["traffic_data_id"]) for row in upgraded.pages("predictions", "predictions")}
    assert listed >= set(outcome.verdicts)
    assert {str(row["event_id"]) for row in upgraded.pages("quarantine", "rejected")} >= set(outcome.quarantine)
    for event in outcome.verdicts:
        assert upgraded.ask(f"predictions/{event}")["traffic_data_id"] == int(event)
        assert upgraded.ask(f"predictions/{event}/receipt")["outcome"] == "equal", event
    verify = upgraded.world.start((*NETHEAL, "verify", next(iter(outcome.verdicts)), "--json"))
    assert verify.wait_exit() == 0, verify.tail()


def test_the_registry_lists_and_loads_its_models_and_rolls_back(upgraded: Upgraded) -> None:
    world, outcome = upgraded.world, upgraded.outcome
    listed = upgraded.ask("models/")["models"]
    assert {model["bundle_hash"]: model["model_version"] for model in listed} == outcome.models
    active = {model["model_type"]: model["model_version"] for model in listed if model["state"] == "active"}
    assert active == outcome.active
    artefacts, connection = Artefacts(world.settings.paths.artefacts_dir), connect(world.dsn)
    try:
        for model in list_models(connection):
            assert artefacts.load(model.bundle_hash).hash == model.bundle_hash
            artefacts.originals.open(model.source_sha256 or "").close()
    finally:
        connection.close()
    assert roll_back(world, "attack_classifier").model_version == outcome.rolled_back_to
