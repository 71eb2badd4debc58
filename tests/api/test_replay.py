"""A rejected row is accepted at most once by replays, whatever is killed, and told what became of it."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from flask.testing import FlaskClient

from netheal.contracts import contract
from netheal.contracts.event_id import UPLOAD_PARTITION
from netheal.errors import Conflict, ServiceUnavailable
from netheal.records.reasons import RejectionReason
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate, deactivate
from netheal.replay import replay as replay_module
from netheal.replay.replay import Replay, ReplayOptions
from netheal.replay.report import ReplayReport
from netheal.replay.selection import Selection
from netheal.settings import Settings
from netheal.settings.components import PROJECT_ROOT
from netheal.store.database import Connection, connect, transaction
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.replays import open_replay_batch
from netheal.store.topics import adopt_topic
from netheal.traffic.generator import TrafficGenerator
from netheal.verdicts.counts import count_rows
from tests.api.quarantined import store_quarantined
from tests.api.stored_rows import NOW, read

ROWS = 60
DAY = timedelta(days=1)
MESSAGES = TrafficGenerator(7, broken_share=0.2).messages(ROWS)
STEPS = ("pinned", "part_written", "messages_sent", "committed", "closed")


@dataclass
class World:
    """The stores of one test, and what was sent to the output topic."""

    settings: Settings
    database: Connection
    sent: list[int] = field(default_factory=list)

    def send(self, verdicts: pa.Table) -> None:
        self.sent += verdicts["event_id"].to_pylist()

    def replay(self, connection: Connection | None = None, send: Callable[[pa.Table], Any] | None = None) -> Replay:
        paths = self.settings.paths
        artefacts = Artefacts(paths.artefacts_dir)
        return Replay(connection or self.database, artefacts, paths.delta_root, paths.policy_path, 7, send or self.send)

    def delta(self, layout: Any) -> pa.Table:
        return DeltaTable(layout.uri(self.settings.paths.delta_root)).to_pyarrow_table().sort_by("event_id")

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with transaction(self.database) as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def assert_consistent(self, rejected: list[int]) -> list[int]:
        """Every row stands in quarantine as before, the accepted ones once everywhere; these."""
        verdicts, quarantine = self.delta(verdicts_layout()), self.delta(quarantine_layout())
        assert quarantine["event_id"].to_pylist() == rejected
        accepted = verdicts["event_id"].to_pylist()
        assert len(set(accepted)) == len(accepted), "an event stands twice in Delta"
        assert [event for (event,) in self.ask("select event_id from verdicts order by 1")] == accepted
        marked = "select event_id from replayed where result = 'accepted' order by 1"
        assert [event for (event,) in self.ask(marked)] == accepted
        assert self.ask("select 1 from replayed where result = 'open'") == []
        assert self.ask("select 1 from replay_batches where state = 'open'") == []
        assert set(self.sent) == set(accepted)
        totals = {(kind, name): n for kind, name, n in self.ask("select * from total_counts where kind <> 'rejected'")}
        expected: Counter[tuple[str, str]] = Counter()
        for (_, kind, name), n in count_rows(verdicts, quarantine.slice(0, 0)).items():
            expected[kind, name] += n
        expected.update(("replayed", row["reason"]) for row in quarantine.to_pylist() if row["event_id"] in accepted)
        assert totals == dict(expected)
        on_disk = {str(path) for path in Path(self.settings.paths.delta_root).glob("verdicts/date=*/*.parquet")}
        assert on_disk == {uri.removeprefix("file://") for uri in DeltaTable(self._uri).file_uris()}
        return list(accepted)

    @property
    def _uri(self) -> str:
        return verdicts_layout().uri(self.settings.paths.delta_root)


@pytest.fixture
def world(api_settings: Settings, database: Connection, starters: None) -> World:
    return World(api_settings, database)


@pytest.fixture
def other(api_settings: Settings) -> Iterator[Connection]:
    connection = connect(api_settings.postgres.dsn.get_secret_value())
    yield connection
    connection.close()


def test_rows_that_a_model_takes_now_are_accepted_once_and_the_others_stay(world: World) -> None:
    rejected = store_quarantined(world.database, world.settings, MESSAGES)
    wanted = [
        row["event_id"] for row in world.delta(quarantine_layout()).to_pylist() if row["reason"] == "no_active_model"
    ]
    report = world.replay().run(ReplayOptions())
    accepted = world.assert_consistent(rejected)
    assert accepted and set(accepted) <= set(wanted)
    assert report.accepted == {"no_active_model": len(accepted)}
    assert report.rejected_again.total() == ROWS - len(accepted) > 0
    again = world.replay().run(ReplayOptions(again=True))
    assert (again.accepted, again.skipped) == ({}, {"accepted_before": len(accepted)})
    assert again.rejected_again == report.rejected_again
    assert world.assert_consistent(rejected) == accepted
    verdicts = world.delta(verdicts_layout()).to_pylist()
    assert {(row["recorded_at"], row["topic"], row["partition"]) for row in verdicts} == {(NOW, "network-traffic", 0)}
    ids = world.ask("select distinct threat_model_id is null and attack_model_id is null from verdicts")
    assert ids == [(False,)]


def test_the_row_can_be_replayed_once_a_model_is_activated(world: World) -> None:
    """As the rejected row's detail says."""
    store_quarantined(world.database, world.settings, MESSAGES)
    models = dict(world.ask("select model_type, id from models"))
    for model in models.values():
        deactivate(world.database, model, ChangeReason("test"))
    nothing = world.replay().run(ReplayOptions())
    assert (nothing.accepted, nothing.rejected_again.total()) == ({}, ROWS)
    unchanged = world.replay().run(ReplayOptions())
    assert unchanged.skipped == {"rejected_by_same_models": ROWS}
    activate(world.database, models["threat_detector"], ChangeReason("test"))
    by_contract = ReplayOptions(Selection(contract=contract("threat/v1"), reason=RejectionReason.NO_ACTIVE_MODEL))
    report = world.replay().run(by_contract)
    assert report.accepted.total() > 0
    assert set(world.delta(verdicts_layout())["attack_class"].to_pylist()) == {None}
    assert world.ask("select distinct result from replayed order by 1") == [("accepted",), ("rejected",)]


def test_reason_time_and_limit_choose(world: World) -> None:
    old = store_quarantined(world.database, world.settings, MESSAGES[:20], NOW - 3 * DAY)
    new = store_quarantined(world.database, world.settings, MESSAGES[20:], NOW, 1, 20)
    some = Selection(RejectionReason.NO_ACTIVE_MODEL, since=NOW - DAY)
    report = world.replay().run(ReplayOptions(some, limit=5))
    assert (report.accepted, report.rejected_again) == ({"no_active_model": 5}, {})
    first = world.assert_consistent(old + new)
    assert set(first) < set(new)
    world.replay().run(ReplayOptions(some, limit=5))
    assert len(world.assert_consistent(old + new)) == 10
    world.replay().run(ReplayOptions(Selection(until=NOW - 2 * DAY)))
    assert set(world.assert_consistent(old + new)) - set(new) <= set(old)


def test_rows_that_postgres_does_not_serve_any_more_go_to_delta_alone(world: World) -> None:
    store_quarantined(world.database, world.settings, MESSAGES, NOW - 30 * DAY)
    report = world.replay().run(ReplayOptions())
    assert world.delta(verdicts_layout()).num_rows == report.accepted.total() > 0
    assert world.ask("select * from verdicts") == []


def test_rows_of_a_file_are_no_traffic_of_the_stream(world: World) -> None:
    store_quarantined(world.database, world.settings, MESSAGES, batch_id=4, topic="upload", partition=UPLOAD_PARTITION)
    minutes = "select * from minute_counts where kind <> 'rejected'"
    with transaction(world.database) as cursor:
        cursor.execute(
            "insert into uploads (id, batch_id, actor, source_name, models, policy_version, state)"
            " overriding system value select 4, 'b', 'a', 'n', '{}', version, 'open' from policies"
        )
    assert world.replay().run(ReplayOptions()).skipped == {"batch_not_finished": ROWS}
    with transaction(world.database) as cursor:
        cursor.execute("update uploads set state = 'done'")
    report = world.replay().run(ReplayOptions())
    assert world.delta(verdicts_layout()).num_rows == report.accepted.total() > 0
    assert world.sent == [] and world.ask(minutes) == []
    assert world.ask("select sum(n)::int from total_counts where kind = 'prediction'") == [(report.accepted.total(),)]


def test_the_command_tells_what_it_would_do(world: World) -> None:
    store_quarantined(world.database, world.settings, MESSAGES)
    env = {
        "NETHEAL_VAR_DIR": str(world.settings.paths.var_dir),
        "NETHEAL_POSTGRES_DSN": world.settings.postgres.dsn.get_secret_value(),
        "NETHEAL_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }

    def told(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from netheal.cli.app import main; main()", "replay", *options]
        return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60)

    shown = told("--dry-run", "--since", "2020-01-01", "--reason", "no_active_model", "--limit", "7")
    assert shown.stdout.startswith("7 rows would be accepted, "), shown.stderr
    assert "7 had been rejected as no_active_model" in shown.stdout
    wrong = told("--contract", "attack/v9")
    assert wrong.returncode == 2 and "no contract 'attack/v9': name one of" in wrong.stderr
    assert "is no ISO 8601 time" in told("--since", "yesterday").stderr
    assert "is not 1 or more" in told("--limit", "0").stderr
    assert "cannot be replayed" in told("--reason", "malformed_row").stderr
    assert world.ask("select * from replayed") == []


def test_the_api_says_what_became_of_a_row(world: World, client: FlaskClient) -> None:
    store_quarantined(world.database, world.settings, MESSAGES)
    assert {(row["replayed_at"], row["replay_result"]) for row in read(client, "/quarantine")["rejected"]} == {
        (None, None)
    }
    world.replay().run(ReplayOptions())
    accepted = set(world.delta(verdicts_layout())["event_id"].to_pylist())
    for row in read(client, "/quarantine", limit=ROWS)["rejected"]:
        result = "accepted" if row["event_id"] in accepted else "rejected"
        shown = read(client, f"/quarantine/{row['event_id']}")
        assert row["replay_result"] == shown["replay_result"] == result
        assert row["replayed_at"] == shown["replayed_at"] > "2026"
    verdict = read(client, f"/predictions/{min(accepted)}")
    assert verdict["batch"]["batch_id"] == 0
    assert read(client, "/predictions/stats")["total_predictions"] == len(accepted)


def test_a_dry_run_tells_the_same_and_changes_nothing(world: World) -> None:
    store_quarantined(world.database, world.settings, MESSAGES)
    tables = ("replayed", "replay_batches", "verdicts", "total_counts", "minute_counts", "policies", "model_events")
    before = [sorted(map(str, world.ask(f"select * from {name}"))) for name in tables]
    files = sorted(Path(world.settings.paths.delta_root).rglob("*"))
    tried = world.replay().try_out(ReplayOptions())
    assert [sorted(map(str, world.ask(f"select * from {name}"))) for name in tables] == before
    assert sorted(Path(world.settings.paths.delta_root).rglob("*")) == files and world.sent == []
    done = world.replay().run(ReplayOptions()).document()
    assert tried.document() | {"run_id": 0, "dry_run": False} == done | {"run_id": 0}


def test_rows_of_a_batch_that_is_open_wait(world: World) -> None:
    store_quarantined(world.database, world.settings, MESSAGES, state="open")
    report = world.replay().run(ReplayOptions())
    assert report.document()["skipped"] == {"batch_not_finished": ROWS}
    assert report.accepted == report.rejected_again == {}


def test_rows_of_a_topic_that_was_made_again_are_still_taken(world: World) -> None:
    rejected = store_quarantined(world.database, world.settings, MESSAGES)
    adopt_topic(world.database, "network-traffic", "another")
    assert world.replay().run(ReplayOptions()).accepted.total() > 0
    world.assert_consistent(rejected)


def test_two_replays_at_once_are_refused(world: World, other: Connection) -> None:
    rejected = store_quarantined(world.database, world.settings, MESSAGES)

    def start_another(verdicts: pa.Table) -> None:
        world.send(verdicts)
        with pytest.raises(Conflict, match="another replay is running"):
            world.replay(other).run(ReplayOptions())

    assert world.replay(send=start_another).run(ReplayOptions()).accepted.total() > 0
    world.assert_consistent(rejected)


def test_a_replay_that_lost_its_lock_without_noticing_accepts_nothing_twice(
    world: World, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one goes on with the same batch, and both come to its end."""
    rejected = store_quarantined(world.database, world.settings, MESSAGES)

    def overtaken(verdicts: pa.Table) -> None:
        world.send(verdicts)
        with monkeypatch.context() as patched:
            patched.setattr(replay_module, "acquire_replay_lock", lambda _: None)
            assert world.replay(other).run(ReplayOptions()).resumed == ROWS

    world.replay(send=overtaken).run(ReplayOptions())
    assert len(world.assert_consistent(rejected)) > 0


def test_verdicts_that_an_older_database_does_not_know_are_not_made_again(world: World) -> None:
    rejected = store_quarantined(world.database, world.settings, MESSAGES)
    first = world.replay().run(ReplayOptions())
    accepted = world.assert_consistent(rejected)
    with transaction(world.database) as cursor:
        for table in ("replayed", "replay_batches", "verdicts", "minute_counts"):
            cursor.execute(f"delete from {table}")
        cursor.execute("delete from total_counts where kind <> 'rejected'")
    second = world.replay().run(ReplayOptions())
    assert (second.accepted, second.attacks) == (first.accepted, first.attacks)
    assert world.assert_consistent(rejected) == accepted
    late = store_quarantined(world.database, world.settings, MESSAGES, NOW, 1, ROWS)
    world.replay().run(ReplayOptions())
    assert len(world.assert_consistent(rejected + late)) == 2 * len(accepted)


def test_a_broker_that_is_away_leaves_the_batch_to_the_next_replay(world: World) -> None:
    rejected = store_quarantined(world.database, world.settings, MESSAGES)

    def fail(_: pa.Table) -> None:
        raise ServiceUnavailable("the broker is away")

    with pytest.raises(ServiceUnavailable, match="broker"):
        world.replay(send=fail).run(ReplayOptions())
    assert open_replay_batch(world.database) is not None
    report = world.replay().run(ReplayOptions())
    assert report.resumed == ROWS
    assert world.assert_consistent(rejected)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step(world: World, step: str, tmp_path: Path) -> None:
    rejected = store_quarantined(world.database, world.settings, MESSAGES)
    env = {
        "FAILPOINT": step,
        "NETHEAL_VAR_DIR": str(world.settings.paths.var_dir),
        "NETHEAL_POSTGRES_DSN": world.settings.postgres.dsn.get_secret_value(),
    }
    dying = [sys.executable, "-m", "tests.api.failpoint_replay"]
    ended = subprocess.run(dying, env={**os.environ, **env}, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (open_replay_batch(world.database) is None) == (step == "closed")
    report = ReplayReport("")
    while not (report.resumed or report.skipped):
        report = world.replay().run(ReplayOptions())
    world.sent = [event for (event,) in world.ask("select event_id from verdicts")]  # the messages were the child's
    assert world.assert_consistent(rejected)
