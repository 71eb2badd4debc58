"""Maintenance deletes what is kept no longer, and nothing else; a dry run changes nothing."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from flask.testing import FlaskClient

from netheal.errors import Conflict, SettingsError
from netheal.maintenance.maintain import LOCK, Maintenance
from netheal.settings import Settings
from netheal.settings.components import PROJECT_ROOT
from netheal.store import ledger_pruning
from netheal.store.advisory_lock import take_lock
from netheal.store.compaction import KEPT_HOURS
from netheal.store.database import Connection, connect, transaction
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.ledger import read_ledger_end
from netheal.store.open_parts import part_prefix
from netheal.store.topics import adopt_topic
from tests.api.quarantined import store_quarantined
from tests.api.stored_rows import NOW, SECOND, Row, commit_part, event, read, store, store_batch

DAY = timedelta(days=1)
MESSAGES = [b'{"a": 1}', b"{"]


def ask(database: Connection, statement: str) -> list[tuple[Any, ...]]:
    with transaction(database) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def maintenance(settings: Settings, database: Connection, **changes: Any) -> Maintenance:
    return Maintenance(settings.replaced(**changes), database)


def quarantined(settings: Settings) -> list[int]:
    table = DeltaTable(quarantine_layout().uri(settings.paths.delta_root)).to_pyarrow_table()
    return sorted(table["event_id"].to_pylist())


def orphan(settings: Settings, name: str) -> Path:
    """A part that nobody has committed, days old."""
    folder = Path(quarantine_layout().uri(settings.paths.delta_root)) / f"date={NOW.date().isoformat()}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    path.write_bytes(b"x" * 100)
    old = time.time() - 2 * KEPT_HOURS * 3600
    os.utime(path, (old, old))
    return path


def test_days_are_kept_as_long_as_the_settings_say(database: Connection, api_settings: Settings) -> None:
    old = store_quarantined(database, api_settings, MESSAGES, NOW - 40 * DAY)
    new = store_quarantined(database, api_settings, MESSAGES, NOW - 3 * DAY, 1, 2)
    with transaction(database) as cursor:
        cursor.execute("insert into policies (version, document) values ('p', '{}')")
        cursor.execute("insert into replay_batches (id, run_id, models, policy_version, state) values"
                       " (1, 'r', '{}', 'p', 'done'), (2, 'r', '{}', 'p', 'done')")  # fmt: skip
        for number, (events, at) in enumerate(((old, NOW - 40 * DAY), (new, NOW - 3 * DAY)), 1):
            for one in events:
                cursor.execute("insert into replayed values (%s, %s, %s, 'rejected')", (one, at, number))
    kept = maintenance(api_settings, database).run()["delta"]["quarantine"]
    assert kept["retention"]["rows"] == 0 and kept["after"]["rows"] == 4
    assert quarantined(api_settings) == old + new
    short = maintenance(api_settings, database, retention_quarantine_days=30)
    planned, done = short.plan(), short.run()
    assert done["delta"]["quarantine"]["retention"] == planned["delta"]["quarantine"]["retention"]
    assert done["delta"]["quarantine"]["retention"] | {"bytes": 0} == {"parts": 1, "rows": 2, "bytes": 0}
    assert quarantined(api_settings) == new
    assert planned["postgres"]["replays"] == done["postgres"]["replays"] == {"rows": 2}
    assert ask(database, "select event_id from replayed order by 1") == [(one,) for one in new]
    assert ask(database, "select id from replay_batches") == [(2,)]
    again = short.run()["delta"]["quarantine"]
    assert again["retention"]["parts"] == again["compaction"]["parts"] == 0


def test_retention_below_what_postgres_serves_is_an_error(database: Connection, api_settings: Settings) -> None:
    with pytest.raises(SettingsError, match="NETHEAL_RETENTION_VERDICTS_DAYS is 3, less than the 7 days"):
        maintenance(api_settings, database, retention_verdicts_days=3).plan()


def test_parts_of_what_is_open_stay_however_old_they_are(database: Connection, api_settings: Settings) -> None:
    store_quarantined(database, api_settings, MESSAGES)
    store_batch(database, 7, (2, 9), state="open", query_id="open-query", opened_at=NOW - 20 * DAY)
    with transaction(database) as cursor:
        cursor.execute("insert into uploads (batch_id, actor, source_name, models, policy_version, state)"
                       " select 'b', 'a', 'n', '{}', version, 'open' from policies returning id")  # fmt: skip
        (upload,) = cursor.fetchone() or (0,)
        cursor.execute("insert into replay_batches (id, run_id, models, policy_version, state)"
                       " select 3, 'r', '{}', version, 'open' from policies")  # fmt: skip
    waiting = [
        orphan(api_settings, part_prefix(owner, number) + "x")
        for owner, number in (("open-query", 7), ("upload", upload), ("replay", 3))
    ]
    over = [
        orphan(api_settings, part_prefix(owner, number) + "x")
        for owner, number in (("open-query", 6), ("upload", upload + 1), ("replay", 2))
    ]
    done = maintenance(api_settings, database).run()
    assert done["delta"]["quarantine"]["vacuum"] == {"files": 3, "bytes": 300}
    assert all(path.exists() for path in waiting) and not any(path.exists() for path in over)


def test_a_dry_run_tells_what_would_be_done_and_changes_nothing(database: Connection, api_settings: Settings) -> None:
    store_quarantined(database, api_settings, MESSAGES, NOW - 40 * DAY)
    for number in range(1, 4):
        store_quarantined(database, api_settings, MESSAGES, NOW, number, 2 * number)
    orphan(api_settings, "lost")
    store(database, [Row(event(1), NOW - 12 * DAY)])
    upkeep = maintenance(api_settings, database, retention_quarantine_days=30, serving_days=3)
    files = {path: path.stat().st_mtime_ns for path in Path(api_settings.paths.delta_root).rglob("*")}
    relations = "select relname, reltuples from pg_class where relnamespace = 'public'::regnamespace order by 1"
    before = ask(database, relations)
    planned = upkeep.plan()
    assert {path: path.stat().st_mtime_ns for path in Path(api_settings.paths.delta_root).rglob("*")} == files
    assert ask(database, relations) == before
    delta = planned["delta"]["quarantine"]
    assert (delta["retention"]["rows"], delta["compaction"]["parts"], delta["vacuum"]["files"]) == (2, 3, 1)
    assert planned["postgres"]["partitions"]["old_rows"] == 3
    assert len(planned["postgres"]["partitions"]["drop"]) == 2 * 4
    done = upkeep.run()
    for part in ("retention", "compaction"):
        assert done["delta"]["quarantine"][part] == delta[part]
    assert done["postgres"]["partitions"] == planned["postgres"]["partitions"]
    assert ask(database, "select count(*) from verdicts") == [(0,)]
    assert ask(database, "select reltuples from pg_class where relname = 'batches'") == [(4.0,)]


def test_the_ledger_keeps_what_starts_and_lists_need(
    client: FlaskClient, database: Connection, api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_pruning, "KEPT", 2)
    monkeypatch.setattr(ledger_pruning, "_PIECE_ROWS", 3)
    old = {"opened_at": NOW - 10 * DAY, "closed_at": NOW - 10 * DAY + SECOND}
    for number in range(9):
        store_batch(database, number, (10 * number, 10 * number + 10), **old)
    for number in range(3):
        store_batch(database, number, (0, 10), query_id="earlier", **old)
    store_batch(database, 9, (90, 100), opened_at=NOW, closed_at=NOW)
    store_batch(database, 10, (100, 110), state="open", **old | {"closed_at": None})
    with transaction(database) as cursor:
        cursor.execute("update topics set last_query_id = 'q', done_offsets = '{\"0\": 100}'")
    end = read_ledger_end(database, "network-traffic", "one")
    assert maintenance(api_settings, database).plan()["postgres"]["ledger"] == {"rows": 10}
    assert maintenance(api_settings, database).run()["postgres"]["ledger"] == {"rows": 10}
    left = ask(database, "select query_id, batch_id from batches order by 1, 2")
    assert left == [("earlier", 1), ("earlier", 2), ("q", 9), ("q", 10)]
    assert read_ledger_end(database, "network-traffic", "one") == end
    assert len(read(client, "/batches")["batches"]) == 4
    defaults = dict.fromkeys(verdicts_layout().schema.names)
    whole = {"event_id": event(5), "recorded_at": NOW - 10 * DAY, "batch_id": 0, "is_attack": False}
    actions = {"action_type": "log_only", "action_status": "logged"}
    commit_part(verdicts_layout(), api_settings.paths.delta_root, [defaults | whole | actions])
    assert read(client, f"/predictions/{event(5)}")["batch"] is None
    assert adopt_topic(database, "network-traffic", "two").offset_base == 110


def test_two_at_once_are_refused(database: Connection, api_settings: Settings) -> None:
    other = connect(api_settings.postgres.dsn.get_secret_value())
    try:
        assert take_lock(other, LOCK)
        with pytest.raises(Conflict, match="another maintenance is running"):
            maintenance(api_settings, database).run()
        assert maintenance(api_settings, database).plan()["dry_run"]
    finally:
        other.close()


def test_the_command_prints_and_says_what_is_wrong(database: Connection, api_settings: Settings) -> None:
    store_quarantined(database, api_settings, MESSAGES, datetime.now(UTC))
    env = {**os.environ, "NETHEAL_POSTGRES_DSN": api_settings.postgres.dsn.get_secret_value()}
    command = [sys.executable, "-m", "jobs.maintain", "--var", str(api_settings.paths.var_dir)]

    def told(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options], env=env, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60
        )

    shown = told("--dry-run").stdout
    assert shown.startswith("What would be done:\n") and "before: 2 rows in 1 parts" in shown
    assert '"dry_run": false' in told("--json").stdout.splitlines()[-1]
    with transaction(database) as cursor:
        cursor.execute("update alembic_version set version_num = '0004'")
    refused = told()
    assert refused.returncode == 2 and "tables are of revision 0004" in refused.stderr
