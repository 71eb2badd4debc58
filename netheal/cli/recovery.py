"""`netheal topic adopt` and `netheal checkpoint rebuild`: the ways out of what the job refuses to go on from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from netheal.embedded.stack import LocalStack
from netheal.errors import SettingsError, StreamRefused
from netheal.host.fsync import local_folder
from netheal.kafka.offsets import Offsets
from netheal.kafka.topics import offset_ranges, topic_id
from netheal.recovery.checkpoint import LocalFiles, checkpoint_folder
from netheal.recovery.repair import Stores, adopt_gap, rebuild_checkpoint, score_again
from netheal.recovery.resume import ResumeState, broker_short, database_behind, in_words, resume_point
from netheal.recovery.survey import collect_state
from netheal.settings import Settings
from netheal.store.database import connect, migrate
from netheal.store.delta import DeltaLog, quarantine_layout, verdicts_layout
from netheal.store.ledger import acquire_topic_lock
from netheal.store.topics import TopicGeneration, adopt_topic, register_topic


@dataclass(frozen=True)
class _Stopped:
    """A stream that does not run, held by its fence."""

    settings: Settings
    stores: Stores
    files: LocalFiles

    def collect_state(self) -> ResumeState:
        """What is found now."""
        settings, stores = self.settings, self.stores
        broker = offset_ranges(settings.kafka.bootstrap_servers, stores.topic.name, settings.kafka.client_options)
        return collect_state(stores.connection, stores.topic, broker, self.files, stores.logs)


def adopt(settings: Settings) -> str:
    """Go on with the input topic as it is now: recreated, or without rows that its retention removed.

    A sentence on what was done. Starts embedded services where none are named.
    """
    with _stopped_stream(settings, new_incarnation=True) as stream:
        topic = stream.stores.topic
        lost = adopt_gap(stream.stores, stream.collect_state())
        if lost:
            return f"{in_words(lost)} are recorded as lost; the stream continues after them at its next start"
        return f"topic {topic.name} is adopted; its events are numbered from offset {topic.offset_base} on"


def rebuild(settings: Settings, rows_again: bool = False) -> str:
    """Make the checkpoint anew from the ledger; a sentence on what was done.

    With `rows_again`, rows in Delta that the database does not know are removed, to be scored again.
    """
    with _stopped_stream(settings) as stream:
        topic, found = stream.stores.topic, stream.collect_state()
        behind = database_behind(found)
        if behind is not None and rows_again:
            score_again(stream.stores, found)
            found = stream.collect_state()
            behind = database_behind(found)
        reason = behind or broker_short(found)
        if reason is not None:
            raise StreamRefused(reason)
        old = rebuild_checkpoint(stream.files, topic.name, found.ledger)
        point = resume_point(found.ledger)
        if point is None:
            return "no batch was begun yet: the stream begins at its next start"
        kept = f"; the old checkpoint is kept as {old}" if old else ""
        return f"the stream resumes with batch {point.batch_id}, at {_places(point.start)}{kept}"


def _places(offsets: Offsets) -> str:
    places = [f"offset {offset} of partition {p}" for p, offset in sorted(offsets.items(), key=lambda o: int(o[0]))]
    return ", ".join(places)


@contextmanager
def _stopped_stream(settings: Settings, new_incarnation: bool = False) -> Iterator[_Stopped]:
    """Hold the stream's fence; raises StreamRefused where it runs."""
    root = local_folder(settings.paths.checkpoint)
    if root is None:
        raise SettingsError(
            f"the checkpoint {settings.paths.checkpoint} is not on this machine: move its folder away, and the job"
            " makes it anew from the database at its next start"
        )
    with LocalStack(settings, Console(stderr=True).print) as stack:
        named = stack.settings
        dsn = named.postgres.dsn.get_secret_value()
        migrate(dsn)
        current = topic_id(named.kafka.bootstrap_servers, named.stream.input_topic, named.kafka.client_options)
        connection = connect(dsn)
        try:
            register = adopt_topic if new_incarnation else register_topic
            topic: TopicGeneration = register(connection, named.stream.input_topic, current)
            acquire_topic_lock(connection, topic.name, topic.id)
            logs = (
                DeltaLog(verdicts_layout(), named.paths.delta_root),
                DeltaLog(quarantine_layout(), named.paths.delta_root),
            )
            files = LocalFiles(Path(checkpoint_folder(str(root), topic.id)))
            yield _Stopped(named, Stores(connection, topic, logs), files)
        finally:
            connection.close()
