"""Whether the stream can go on: its checkpoint, the ledger, Delta and the topic looked at together, changing none."""

from pathlib import Path

from deltalake import DeltaTable

from netheal.errors import ServiceUnavailable, SettingsError, StreamRefused
from netheal.host.fsync import local_folder
from netheal.kafka.topics import offset_ranges, topic_id
from netheal.recovery.checkpoint import LocalFiles, checkpoint_folder, read_checkpoint
from netheal.recovery.resume import Decision, ResumeState, decide
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.delta import application_id, quarantine_layout, verdicts_layout
from netheal.store.ledger import LedgerEnd, knows_query, read_ledger_end
from netheal.store.topics import TopicGeneration, known_topic, recreated

_LOOKS = 3
"""A stream that runs moves on between the looks at its parts: what is wrong is wrong each time."""


def position(connection: Connection, settings: Settings) -> str:
    """Raises SettingsError where the next start would be refused, with the way out."""
    topic = known_topic(connection, settings.stream.input_topic)
    if topic is None:
        return "no batch yet"
    root = local_folder(settings.paths.checkpoint)
    if root is None:
        return f"{settings.paths.checkpoint} is not on this machine: the job looks at it when it starts"
    decision = Decision("go_on")
    for _ in range(_LOOKS):
        decision = decide(_state(connection, settings, topic, LocalFiles(Path(checkpoint_folder(str(root), topic.id)))))
        if decision.action == "go_on":
            return "the checkpoint goes on where the database ends, and the topic has what comes next"
    if decision.action == "refuse":
        raise SettingsError(decision.reason)
    return f"the next start makes the checkpoint anew from the database: {decision.reason}"


def _state(connection: Connection, settings: Settings, topic: TopicGeneration, files: LocalFiles) -> ResumeState:
    servers, options = settings.kafka.bootstrap_servers, settings.kafka.client_options
    try:
        found = topic_id(servers, topic.name, options)
    except StreamRefused as error:
        raise SettingsError(str(error)) from error
    if found != topic.id:
        raise SettingsError(recreated(topic.name, topic.id, found))
    # Checkpoint and Delta before the ledger, which is never behind them while a stream runs.
    checkpoint = read_checkpoint(files, topic.name)
    delta_batch = _last_delta_batch(settings.paths.delta_root, read_ledger_end(connection, topic.name, topic.id))
    end = read_ledger_end(connection, topic.name, topic.id)
    query_id = checkpoint.query_id
    return ResumeState(
        topic=topic.name,
        ledger=end,
        broker=offset_ranges(servers, topic.name, options),
        checkpoint=checkpoint,
        delta_batch=delta_batch,
        checkpoint_known=query_id is not None and knows_query(connection, topic.name, topic.id, query_id),
    )


def _last_delta_batch(root: str, end: LedgerEnd) -> int:
    """As `netheal.recovery.survey.last_delta_batch`, of tables that are not made where they are missing."""
    if end.query_id is None:
        return -1
    uris = [layout.uri(root) for layout in (verdicts_layout(), quarantine_layout())]
    try:
        tables = [DeltaTable(uri) for uri in uris if DeltaTable.is_deltatable(uri)]
        versions = [table.transaction_version(application_id(end.query_id)) for table in tables]
    except Exception as error:  # whatever the store raises
        raise ServiceUnavailable(f"the Delta tables under {root} cannot be read: {error}") from error
    return max((version for version in versions if version is not None), default=-1)
