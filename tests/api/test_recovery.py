"""The ledger's own guard, and the repairs, on a real PostgreSQL and real Delta tables."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from psycopg2 import sql

from netheal.embedded.postgres import EmbeddedPostgres
from netheal.errors import StreamRefused
from netheal.kafka.offsets import OffsetRange, Offsets
from netheal.recovery.checkpoint import LocalFiles, ResumePoint, checkpoint_files
from netheal.recovery.repair import Stores, adopt_gap, score_again
from netheal.recovery.resume import ResumeState, decide, resume_point
from netheal.recovery.survey import collect_state
from netheal.settings import Settings
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.database import Connection, connect, migrate, transaction
from netheal.store.delta import DeltaLog, Layout, application_id, quarantine_layout, verdicts_layout
from netheal.store.ledger import BatchPins, Ledger, acquire_topic_lock, read_ledger_end
from netheal.store.progress import read_progress
from netheal.store.topics import TopicGeneration, adopt_topic, register_topic
from tests.api.conftest import _administer
from tests.deadlines import DEADLINE_S

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUERY = "48f86c55-4bce-4690-a02f-213e56bf6870"


@pytest.fixture
def connection(api_settings: Settings) -> Iterator[Connection]:
    opened = connect(api_settings.postgres.dsn.get_secret_value())
    yield opened
    opened.close()


@pytest.fixture
def topic(connection: Connection) -> TopicGeneration:
    return register_topic(connection, "in", "id")


@pytest.fixture
def stores(connection: Connection, topic: TopicGeneration, tmp_path: Path) -> Stores:
    root = str(tmp_path / "delta")
    return Stores(connection, topic, (DeltaLog(verdicts_layout(), root), DeltaLog(quarantine_layout(), root)))


def pins(start: Offsets, end: Offsets) -> BatchPins:
    return BatchPins("in", "id", start, end, {}, "p1")


def begin(connection: Connection, batch_id: int, start: Offsets, end: Offsets, query: str = QUERY) -> None:
    Ledger(connection, query).open_batch(batch_id, pins(start, end), {})


def batch(connection: Connection, batch_id: int, start: Offsets, end: Offsets, query: str = QUERY) -> None:
    """A batch from pin to done."""
    begin(connection, batch_id, start, end, query)
    Ledger(connection, query).close_batch(batch_id, 1, 0, Counter())


def table_of(layout: Layout, events: list[int], batch_id: int) -> pa.Table:
    """Rows of these event ids, with whatever else the layout insists on."""
    known = {
        "event_id": events,
        "recorded_at": [NOON] * len(events),
        "batch_id": [batch_id] * len(events),
        "is_attack": [True] * len(events),
        "action_type": ["alert_admin"] * len(events),
        "reason": ["nan"] * len(events),
    }
    columns = {f.name: pa.array(known.get(f.name, [None] * len(events)), f.type) for f in layout.schema}
    return pa.table(columns, schema=pa.schema([f.with_nullable(True) for f in layout.schema]))


def write_delta(stores: Stores, batch_id: int, verdicts: list[int], rejected: list[int], query: str = QUERY) -> None:
    """What a batch commits."""
    for log, layout, events in zip(
        stores.logs, (verdicts_layout(), quarantine_layout()), (verdicts, rejected), strict=True
    ):
        writer = DeltaPartWriter(layout, str(Path(log.uri).parent), batch_id)
        writer.write(table_of(layout, events, batch_id))
        log.commit(writer.receipt(), application_id(query), batch_id)


def events_in(stores: Stores) -> list[list[int]]:
    return [sorted(log.rows_between({}, {"0": 9_999, "1": 9_999}, 0)["event_id"].to_pylist()) for log in stores.logs]


def event(offset: int, partition: int = 0) -> int:
    return offset * 1024 + partition


def surveyed(stores: Stores, files: LocalFiles, **broker: tuple[int, int]) -> ResumeState:
    ranges = {name.removeprefix("p"): OffsetRange(*found) for name, found in broker.items()}
    return collect_state(stores.connection, stores.topic, ranges, files, stores.logs)


def test_a_batch_that_would_read_done_offsets_again_or_pass_some_over_is_refused(
    connection: Connection, topic: TopicGeneration
) -> None:
    batch(connection, 0, {"0": 0, "1": 0}, {"0": 10, "1": 10})
    for query, number, start in ((QUERY, 1, 9), ("other", 0, 0), (QUERY, 1, 11)):
        with pytest.raises(StreamRefused, match="netheal checkpoint rebuild"):
            begin(connection, number, {"0": start, "1": 10}, {"0": 20, "1": 20}, query)
    with pytest.raises(StreamRefused, match="batch 1 would go back from offset 10 to 4 in partition 1"):
        begin(connection, 1, {"0": 10, "1": 10}, {"0": 20, "1": 4})
    end = read_ledger_end(connection, "in", "id")
    assert (end.query_id, end.last_batch, end.open) == (QUERY, 0, None), "a refused batch is not pinned"
    batch(connection, 1, {"0": 10, "1": 10}, {"0": 20, "1": 10, "2": 5})
    assert read_ledger_end(connection, "in", "id").done == {"0": 20, "1": 10, "2": 5}


def test_a_batch_that_is_done_may_be_asked_for_again(connection: Connection, topic: TopicGeneration) -> None:
    batch(connection, 0, {"0": 0}, {"0": 10})
    entry = Ledger(connection, QUERY).open_batch(0, pins({"0": 0}, {"0": 10}), {})
    assert (entry.state, entry.new) == ("done", False)
    Ledger(connection, QUERY).close_batch(0, 1, 0, Counter())
    assert read_ledger_end(connection, "in", "id").done == {"0": 10}


def test_an_open_batch_is_where_the_stream_goes_on(connection: Connection, topic: TopicGeneration) -> None:
    batch(connection, 0, {"0": 0}, {"0": 10})
    begin(connection, 1, {"0": 10}, {"0": 15, "1": 3})
    end = read_ledger_end(connection, "in", "id")
    assert (end.last_batch, end.open) == (1, pins({"0": 10}, {"0": 15, "1": 3}))
    assert (end.position, end.pinned_end) == ({"0": 10}, {"0": 15, "1": 3})


def test_each_incarnation_of_a_topic_has_an_end_of_its_own(connection: Connection, topic: TopicGeneration) -> None:
    batch(connection, 0, {"0": 0}, {"0": 10})
    again = adopt_topic(connection, "in", "id-2")
    assert again == TopicGeneration("in", "id-2", 10)
    assert resume_point(read_ledger_end(connection, "in", "id-2")) is None
    assert read_ledger_end(connection, "in", "id").done == {"0": 10}


def test_two_drivers_of_one_topic_are_fenced_whatever_their_checkpoints(
    api_settings: Settings, connection: Connection
) -> None:
    acquire_topic_lock(connection, "in", "id")
    second = connect(api_settings.postgres.dsn.get_secret_value())
    acquire_topic_lock(second, "another", "id")
    with pytest.raises(StreamRefused, match="another driver reads topic in"):
        acquire_topic_lock(second, "in", "id", patience_s=0)
    second.close()


def test_a_gap_gives_up_the_open_batch_and_is_recorded(stores: Stores, tmp_path: Path) -> None:
    connection = stores.connection
    batch(connection, 0, {"0": 0, "1": 0}, {"0": 10, "1": 10})
    write_delta(stores, 0, [event(n) for n in range(10)], [event(n, 1) for n in range(10)])
    begin(connection, 1, {"0": 10, "1": 10}, {"0": 20, "1": 20})
    with transaction(connection) as cursor:
        cursor.execute(
            "insert into verdicts (event_id, recorded_at, batch_id, is_attack, action_type, action_status)"
            " values (%s, %s, 1, true, 'alert_admin', 'logged')",
            (event(12), NOON),
        )
    found = surveyed(stores, LocalFiles(tmp_path / "none"), p0=(15, 90), p1=(0, 90))
    assert decide(found).action == "refuse"
    assert adopt_gap(stores, found) == {"0": OffsetRange(10, 15)}
    end = stores.ledger_end()
    assert (end.done, end.open) == ({"0": 15, "1": 10}, None)
    assert end.query_id != QUERY, "a new query: the old one's batch 1 may be in the checkpoint with other offsets"
    assert read_progress(connection, "in").done_offsets == end.done, "the lag goes by what is read"
    with transaction(connection) as cursor:
        cursor.execute("select count(*) from verdicts where batch_id = 1")
        assert cursor.fetchone() == (0,), "rows of a batch that was given up are left behind"
        cursor.execute("select subject, details, ended_at is not null from outages")
        details = {"topic": "in", "offsets": [{"partition": 0, "start": 10, "end": 15}], "rows": 5}
        assert cursor.fetchall() == [("retention", details, True)]
    again = surveyed(stores, LocalFiles(tmp_path / "none"), p0=(15, 90), p1=(0, 90))
    assert decide(again).action == "rebuild"
    assert adopt_gap(stores, again) == {}


def test_a_gap_under_a_batch_that_is_in_delta_loses_none_of_its_rows(stores: Stores, tmp_path: Path) -> None:
    connection = stores.connection
    batch(connection, 0, {"0": 0}, {"0": 10})
    begin(connection, 1, {"0": 10}, {"0": 20})
    write_delta(stores, 1, [event(n) for n in range(10, 18)], [event(18), event(19)])
    found = surveyed(stores, LocalFiles(tmp_path / "none"), p0=(15, 90))
    assert adopt_gap(stores, found) == {}, "the broker lost what Delta has"
    end = stores.ledger_end()
    assert (end.query_id, end.done, end.open) == (QUERY, {"0": 20}, None)
    with transaction(connection) as cursor:
        cursor.execute("select verdicts, rejected from batches where batch_id = 1")
        assert cursor.fetchone() == (8, 2)
        cursor.execute("select kind, name, n from total_counts order by 1, 2")
        counted = [("action", "alert_admin", 8), ("prediction", "attack", 8), ("rejected", "nan", 2)]
        assert cursor.fetchall() == counted
        cursor.execute("select count(*) from outages")
        assert cursor.fetchone() == (0,)


def reject(connection: Connection, batch_id: int, *events: int) -> None:
    """What a task stores of rejected rows before anything is in Delta."""
    with transaction(connection) as cursor:
        for number in events:
            cursor.execute(
                'insert into rejected (event_id, recorded_at, batch_id, topic, "partition", "offset", reason,'
                " field, detail, head) values (%s, %s, %s, 'in', %s, %s, 'nan', '', '', '')",
                (number, NOON, batch_id, number % 1024, number // 1024),
            )


def test_a_gap_under_a_batch_whose_quarantine_is_not_in_delta_gives_it_up(stores: Stores, tmp_path: Path) -> None:
    """The driver was killed between its two commits: closing the batch would lose its rejected rows silently."""
    connection = stores.connection
    write_delta(stores, 0, [event(9)], [event(8)])
    batch(connection, 0, {"0": 0}, {"0": 10})
    begin(connection, 1, {"0": 10}, {"0": 20})
    reject(connection, 1, event(16), event(19))
    write_delta(stores, 1, [event(n) for n in range(10, 20) if n not in (16, 19)], [])
    found = surveyed(stores, LocalFiles(tmp_path / "none"), p0=(15, 90))
    assert adopt_gap(stores, found) == {"0": OffsetRange(10, 15)}
    end = stores.ledger_end()
    assert (end.done, end.open) == ({"0": 15}, None), "what the broker has is not read again"
    assert events_in(stores) == [[event(9)], [event(8)]], "what is read again would stand twice"
    with transaction(connection) as cursor:
        cursor.execute("select count(*) from rejected where batch_id = 1")
        assert cursor.fetchone() == (0,)


def test_a_gap_under_a_batch_without_a_rejected_row_loses_none_of_its_rows(stores: Stores, tmp_path: Path) -> None:
    connection = stores.connection
    batch(connection, 0, {"0": 0}, {"0": 10})
    reject(connection, 0, event(3))
    begin(connection, 1, {"0": 10}, {"0": 20})
    write_delta(stores, 1, [event(n) for n in range(10, 20)], [])
    assert stores.logs[1].committed(application_id(QUERY)) is None
    found = surveyed(stores, LocalFiles(tmp_path / "none"), p0=(15, 90))
    assert adopt_gap(stores, found) == {}
    with transaction(connection) as cursor:
        cursor.execute("select state, verdicts, rejected from batches where batch_id = 1")
        assert cursor.fetchone() == ("done", 10, 0)


def test_an_older_database_takes_its_rows_out_of_delta_and_nothing_else(stores: Stores, tmp_path: Path) -> None:
    """Batches 1 and 2 are in Delta; the database was restored to when batch 1 was open."""
    connection, files = stores.connection, LocalFiles(tmp_path / "checkpoint")
    batch(connection, 0, {"0": 0, "1": 0}, {"0": 10, "1": 10})
    begin(connection, 1, {"0": 10, "1": 10}, {"0": 20, "1": 10})
    upload = [event(3, 1023), event(99, 1023)]
    write_delta(stores, 0, [event(9), event(9, 1)], [event(8)])
    write_delta(stores, 1, [event(10), event(19)], [])
    write_delta(stores, 2, [event(20), event(10, 1)], [event(21)])
    write_delta(stores, 0, upload, [], query="upload")
    found = surveyed(stores, files, p0=(12, 90), p1=(0, 90))
    assert found.delta_batch == 2
    with pytest.raises(StreamRefused, match="older backup"):
        adopt_gap(stores, found)
    assert score_again(stores, found) == {"0": 12, "1": 10}
    assert events_in(stores) == [[event(9), event(9, 1), event(10)], [event(8)]], "the broker no longer has offset 10"
    with transaction(connection) as cursor:
        cursor.execute("select details -> 'offsets' from outages")
        assert cursor.fetchall() == [([{"partition": 0, "start": 10, "end": 12}],)]
    stored = DeltaTable(stores.logs[0].uri).to_pyarrow_dataset().to_table(columns=["event_id"])["event_id"].to_pylist()
    assert set(upload) < set(stored), "rows of uploads are none of the stream's"
    after = surveyed(stores, files, p0=(12, 90), p1=(0, 90))
    assert decide(after).action == "rebuild"


def test_rows_in_delta_that_an_emptied_database_does_not_know_are_never_read_again(
    stores: Stores, tmp_path: Path
) -> None:
    nothing = LocalFiles(tmp_path / "none")
    write_delta(stores, 0, [event(3, 1023)], [], query="upload")
    assert decide(surveyed(stores, nothing, p0=(0, 90))).action == "go_on", "rows of uploads are not the stream's"
    write_delta(stores, 0, [event(0)], [])
    found = surveyed(stores, nothing, p0=(0, 90))
    assert decide(found).action == "refuse"
    with pytest.raises(StreamRefused, match="none of topic in"):
        score_again(stores, found)


def test_a_checkpoint_of_another_query_is_told_from_an_earlier_one(stores: Stores, tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "checkpoint")
    batch(stores.connection, 0, {"0": 0}, {"0": 10})
    point = resume_point(stores.ledger_end())
    assert point is not None
    files.replace(checkpoint_files("in", point), ".old")
    assert decide(surveyed(stores, files, p0=(0, 90))).action == "go_on"
    batch(stores.connection, 0, {"0": 10}, {"0": 20}, query="later")
    assert decide(surveyed(stores, files, p0=(0, 90))).action == "rebuild"
    with transaction(stores.connection) as cursor:
        cursor.execute("delete from batches where query_id = %s", (QUERY,))
    assert decide(surveyed(stores, files, p0=(0, 90))).action == "refuse"


def test_the_end_of_a_ledger_from_before_is_worked_out_once(postgres: EmbeddedPostgres) -> None:
    """As where a lost checkpoint had the rows read twice: the end is the furthest that any query came."""
    server, _, _ = postgres.dsn.rpartition("/")
    _administer(postgres.superuser_dsn, sql.SQL("create database before_0003 owner netheal"))
    dsn = f"{server}/before_0003"
    migrate(dsn, "0002")
    connection = connect(dsn)
    with transaction(connection) as cursor:
        cursor.execute("insert into topics (topic, topic_id, offset_base) values ('in', 'id', 0), ('in', 'unread', 0)")
        cursor.execute("insert into policies (version, document) values ('p1', '{}')")
        for minute, query, end, state in (
            (0, "a", 100, "done"),
            (1, "a", 300, "done"),
            (2, "b", 40, "done"),
            (3, "b", 50, "open"),
        ):
            cursor.execute(
                "insert into batches (query_id, batch_id, topic, topic_id, start_offsets, end_offsets, models,"
                " policy_version, state, opened_at) values (%s, %s, 'in', 'id', '{}', %s, '{}', 'p1', %s, %s)",
                (query, minute, f'{{"0": {end}}}', state, NOON.replace(minute=minute)),
            )
    migrate(dsn)
    ledger = read_ledger_end(connection, "in", "id")
    assert resume_point(ledger) == ResumePoint("b", 4, {"0": 300}), "the batch left open is covered by one that is done"
    assert resume_point(read_ledger_end(connection, "in", "unread")) is None
    connection.close()


def test_the_job_and_netheal_up_may_record_a_topic_at_once(api_settings: Settings, connection: Connection) -> None:
    """One has looked and not recorded it yet when the other does."""
    dsn = api_settings.postgres.dsn.get_secret_value()
    second = connect(dsn)
    outcome: list[TopicGeneration | BaseException] = []

    def settle() -> None:
        try:
            outcome.append(register_topic(second, "new", "id"))
        except BaseException as error:  # noqa: BLE001 - the test's outcome
            outcome.append(error)

    with transaction(connection) as cursor:
        cursor.execute("insert into topics (topic, topic_id, offset_base) values ('new', 'id', 0)")
        waiting = threading.Thread(target=settle)
        waiting.start()
        limit = time.monotonic() + DEADLINE_S
        while not _waits_for_a_lock(dsn):
            assert time.monotonic() < limit and waiting.is_alive(), "it did not come to the insert"
    waiting.join()
    second.close()
    assert outcome == [TopicGeneration("new", "id", 0)]


def _waits_for_a_lock(dsn: str) -> bool:
    observer = connect(dsn)
    try:
        with transaction(observer) as cursor:
            cursor.execute(
                "select exists (select 1 from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database())"
            )
            return cursor.fetchone() == (True,)
    finally:
        observer.close()
