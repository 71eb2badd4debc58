"""A checkpoint that is lost, old, damaged or newer than its database, and rows that retention took: nothing twice."""

import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg2 import sql
from pydantic import SecretStr

from netheal.cli.status import StatusReader
from netheal.settings import PROJECT_ROOT
from netheal.traffic.generator import TrafficGenerator
from tests.stack.conftest import Services
from tests.stack.exactly_once import assert_exactly_once, assert_nothing_twice, events_of
from tests.stack.harness import NETHEAL, Job, World, eventually

pytestmark = pytest.mark.stack

BATCH_ROWS = 300
FAILPOINT_JOB = (sys.executable, "-m", "tests.stack.failpoint_job")
REBUILD = (*NETHEAL, "checkpoint", "rebuild")
ADOPT = (*NETHEAL, "topic", "adopt")


def generated(rows: int, seed: int) -> list[bytes]:
    return TrafficGenerator(seed, start=datetime(2025, 1, seed, tzinfo=UTC), broken_share=0.1).messages(rows)


def checkpoint_of(world: World) -> Path:
    root = Path(world.settings.paths.checkpoint)
    (folder,) = [folder for folder in root.iterdir() if "." not in folder.name]
    return folder


def newest(folder: Path) -> Path:
    return max((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def start_at_failpoint(world: World, step: str, batch_id: int) -> Job:
    marker = world.settings.paths.var_dir / f"reached-{step}-{batch_id}"
    settings = {"FAILPOINT": f"{step}:{batch_id}", "FAILPOINT_MARKER": str(marker)}
    return world.start(FAILPOINT_JOB, **settings, PYTHONPATH=str(PROJECT_ROOT))


def dies_at(world: World, step: str, batch_id: int) -> None:
    job = start_at_failpoint(world, step, batch_id)
    assert job.wait_exit() == -signal.SIGKILL, job.tail()


def run_until_done(world: World, rows: int) -> Job:
    job = world.start()
    world.wait_done(rows)
    world.stop(job)
    return job


def refused(job: Job) -> str:
    """The reason that a job gives, at once and with no text of Spark's."""
    assert job.wait_exit() == 2, job.tail()
    (event,) = job.events("stream.refused")
    assert not job.events("job.retrying"), "it tried again what no try can mend"
    return str(event["reason"])


def does(world: World, *command: str) -> str:
    job = world.start(command)
    assert job.wait_exit() == 0, job.tail()
    return job.output()


def test_a_lost_or_older_checkpoint_goes_on_where_the_ledger_ends(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    world.send(generated(900, 1))
    # Batch 1 is in Delta and not counted: only a replay under the same query and number recognises it.
    dies_at(world, "verdicts_committed", 1)
    folder = checkpoint_of(world)
    older = folder.with_name("older")
    shutil.copytree(folder, older)
    shutil.rmtree(folder)
    job = run_until_done(world, 900)
    assert [event["batch_id"] for event in job.events("batch.replayed")] == [1]
    assert_exactly_once(world)

    shutil.rmtree(folder)
    older.rename(folder)
    world.send(generated(300, 2))
    job = run_until_done(world, 1_200)
    (event,) = job.events("checkpoint.rebuilt")
    assert Path(event["old"]).is_dir(), "the old checkpoint is kept"
    assert_exactly_once(world)
    assert len(world.ask("select distinct query_id from batches")) == 1


def test_a_damaged_checkpoint_is_refused_at_once_and_rebuilt(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    world.send(generated(600, 3))
    dies_at(world, "rows_stored", 1)
    folder = checkpoint_of(world)
    newest(folder / "offsets").write_bytes(b"v1\n{")
    reason = refused(world.start())
    assert "offsets/1 is cut off" in reason
    assert "netheal checkpoint rebuild" in reason
    assert world.ask("select state, reason from stream_states") == [("refused", reason)]
    doctor = world.start((*NETHEAL, "doctor"))
    assert doctor.wait_exit() == 1
    assert "offsets/1 is cut off" in " ".join(doctor.output().split())

    said = does(world, *REBUILD)
    assert "batch 1, at offset 150 of partition 0, offset 150 of partition 1" in said
    world.send(generated(300, 4))
    run_until_done(world, 900)
    assert_exactly_once(world)


def test_a_checkpoint_that_vanishes_under_a_running_job_costs_nothing(make_world: Callable[..., World]) -> None:
    """By what Spark was about to write, none is left, and it is made anew; or a part is, and that is refused."""
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    world.send(generated(300, 5))
    job = world.start()
    world.wait_done(300)
    folder = checkpoint_of(world)
    for name in ("metadata", "offsets", "commits"):
        path = folder / name
        path.unlink() if path.is_file() else shutil.rmtree(path)
    world.send(generated(300, 6))
    eventually(lambda: job.process.poll() is not None or world.done_rows() == 600, "it goes on, or is refused")
    if world.done_rows() == 600:
        assert job.events("checkpoint.rebuilt")
        world.stop(job)
    else:
        assert "netheal checkpoint rebuild" in refused(job)
        does(world, *REBUILD)
        run_until_done(world, 600)
    assert_exactly_once(world)


def restore(world: World, dsn: str) -> World:
    """The same stream on another database."""
    return World(world.settings.replaced(postgres_dsn=SecretStr(dsn)), world.jobs)


def copy_of_database(services: Services, world: World) -> str:
    """A backup, as of now; nothing may be connected."""
    server, _, name = world.dsn.rpartition("/")
    connection = psycopg2.connect(services.postgres.superuser_dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        statement = sql.SQL("create database {} owner netheal template {}")
        cursor.execute(statement.format(sql.Identifier(f"{name}_old"), sql.Identifier(name)))
    connection.close()
    return f"{server}/{name}_old"


@pytest.mark.slow
def test_an_older_database_is_refused_and_its_missing_rows_are_scored_again(
    services: Services, make_world: Callable[..., World]
) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    world.send(generated(600, 7))
    dies_at(world, "rows_stored", 1)
    backup = copy_of_database(services, world)
    run_until_done(world, 600)
    world.send(generated(300, 8))
    run_until_done(world, 900)
    world = restore(world, backup)
    before = world.verdicts()
    reason = refused(world.start())
    assert "older backup" in reason
    assert "netheal checkpoint rebuild --score-again" in reason
    plain = world.start(REBUILD)
    assert plain.wait_exit() == 2, "the plain command takes nothing out of Delta"
    assert world.verdicts() == before, "a refusal changes nothing"
    does(world, *REBUILD, "--score-again")
    run_until_done(world, 900)
    assert_exactly_once(world, model_failed=True)


def delete_records(world: World, before: dict[int, int]) -> None:
    """What retention does, at once."""
    servers, topic = world.settings.kafka.bootstrap_servers, world.settings.stream.input_topic
    admin = AdminClient({"bootstrap.servers": servers})
    wanted = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
    for future in admin.delete_records(wanted).values():
        future.result()


def lag(world: World) -> int:
    reader = StatusReader(world.settings)
    try:
        return reader.lag()
    finally:
        reader.close()


def test_rows_that_retention_took_are_recorded_and_the_stream_goes_on(make_world: Callable[..., World]) -> None:
    world = make_world(max_offsets_per_batch=BATCH_ROWS)
    for seed in (9, 10, 11):
        world.send(generated(300, seed))
    everything = events_of(world.records())
    # Batch 1 begins at 150, and finds that offsets up to 349 are gone before a task has read them.
    reason = refused(start_at_failpoint(world, "records_deleted", 1))
    ((done,),) = world.ask("select done_offsets from topics")
    start, end = done["0"], 350
    assert f"offsets {start} to {end - 1} of partition 0" in reason
    assert "netheal topic adopt" in reason
    assert_nothing_twice(world)

    said = does(world, *ADOPT)
    assert f"offsets {start} to {end - 1} of partition 0 are recorded as lost" in said
    assert lag(world) == (450 - end) + (450 - done["1"]), "what is lost counts as read"
    outages = world.ask("select subject, details, ended_at is not null from outages where subject = 'retention'")
    lost = [{"partition": 0, "start": start, "end": end}]
    details = {"topic": world.settings.stream.input_topic, "offsets": lost, "rows": end - start}
    assert outages == [("retention", details, True)]
    rows = 900 - (end - start)
    run_until_done(world, rows)
    kept = {e: r for e, r in everything.items() if r.partition != 0 or not start <= r.offset < end}
    assert_exactly_once(world, kept)

    # While it is stopped: all that is left of one partition, and a part of the other.
    world.send(generated(200, 12))
    late = events_of(world.records())
    delete_records(world, {0: 550, 1: 500})
    reason = refused(world.start())
    assert "offsets 450 to 549 of partition 0, offsets 450 to 499 of partition 1" in reason
    assert "are recorded as lost" in does(world, *ADOPT)
    assert "is adopted" in does(world, *ADOPT), "a second time there is nothing left to record"
    run_until_done(world, rows + 50)
    assert lag(world) == 0
    kept |= {e: r for e, r in late.items() if r.partition == 1 and r.offset >= 500}
    assert_exactly_once(world, kept)
    assert world.ask("select count(*) from outages where subject = 'retention'") == [(2,)]
