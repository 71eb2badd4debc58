"""The check at each start, and after a failure, of what the stream goes on from: see `netheal.recovery.resume`."""

from collections.abc import Sequence
from dataclasses import dataclass

from netheal.errors import StreamRefused
from netheal.kafka.topics import offset_ranges, topic_id
from netheal.recovery.checkpoint import CheckpointFiles
from netheal.recovery.repair import rebuild_checkpoint
from netheal.recovery.resume import Decision, ResumeState, decide, resume_point
from netheal.recovery.survey import collect_state
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.delta import DeltaLog
from netheal.store.topics import TopicGeneration, register_topic
from netheal.telemetry import emit


@dataclass
class ResumeCheck:
    """Everything the check looks at."""

    settings: Settings
    connection: Connection
    topic: TopicGeneration
    files: CheckpointFiles
    logs: Sequence[DeltaLog]

    def ensure_resumable(self) -> None:
        """See that the checkpoint goes on where the ledger ends, making it anew where that is safe.

        Raises StreamRefused where a person must decide, ServiceUnavailable where something does not answer.
        """
        found, decision = self._decide()
        if decision.action == "rebuild":
            old = rebuild_checkpoint(self.files, self.topic.name, found.ledger)
            point = resume_point(found.ledger)
            emit(
                "checkpoint.rebuilt",
                reason=decision.reason,
                batch_id=0 if point is None else point.batch_id,
                offsets={} if point is None else point.start,
                old=old,
            )

    def explain_failure(self) -> None:
        """Raise StreamRefused where the query failed for something that only a person can mend."""
        kafka, name = self.settings.kafka, self.topic.name
        register_topic(self.connection, name, topic_id(kafka.bootstrap_servers, name, kafka.client_options))
        self._decide()

    def _decide(self) -> tuple[ResumeState, Decision]:
        kafka = self.settings.kafka
        broker = offset_ranges(kafka.bootstrap_servers, self.topic.name, kafka.client_options)
        found = collect_state(self.connection, self.topic, broker, self.files, self.logs)
        decision = decide(found)
        if decision.action == "refuse":
            raise StreamRefused(decision.reason)
        return found, decision
