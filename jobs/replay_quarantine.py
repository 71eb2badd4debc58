"""Replay of quarantine: rejected rows once more, through today's contracts and models.

`netheal replay`, or `python -m jobs.replay_quarantine`; beside a stream that runs, or none. How a row is accepted at
most once is said at the head of `netheal/replay/replay.py`.
"""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from jobs.command_line import Report, job_parser, run_job
from netheal.contracts import contracts_in_force
from netheal.embedded.running import named_broker, named_postgres
from netheal.kafka.clients import idempotent_producer
from netheal.records.reasons import RejectionReason
from netheal.registry.artefacts import Artefacts
from netheal.replay.replay import Replay, ReplayOptions
from netheal.replay.selection import Selection, find_contract
from netheal.settings import Settings
from netheal.sinks.output_topic import OutputTopicWriter
from netheal.store.database import Connection, connect
from netheal.store.model_contracts import model_contracts
from netheal.store.progress import require_head


def replay_quarantine(settings: Settings, options: Namespace) -> Report:
    """Replay what the options select; the report of `ReplayReport.document`."""
    named = named_broker(named_postgres(settings))
    connection = connect(named.postgres.dsn.get_secret_value())
    try:
        require_head(connection)
        paths = named.paths
        replay = Replay(
            connection=connection,
            artefacts=Artefacts(paths.artefacts_dir),
            delta_root=paths.delta_root,
            policy_path=paths.policy_path,
            serving_days=named.stream.serving_days,
            send=_Sender(named).send,
        )
        wanted = ReplayOptions(_selection(connection, options), options.limit, options.again)
        return (replay.try_out if options.dry_run else replay.run)(wanted).document()
    finally:
        connection.close()


class _Sender:
    """Messages to the output topic, by one producer."""

    def __init__(self, settings: Settings) -> None:
        kafka = settings.kafka
        self._topic = settings.stream.output_topic
        self._producer = idempotent_producer(
            kafka.bootstrap_servers, kafka.client_options, partitioner="murmur2_random"
        )

    def send(self, verdicts: pa.Table) -> None:
        """One message a verdict, acknowledged; raises ServiceUnavailable."""
        writer = OutputTopicWriter(self._producer, self._topic)
        writer.write(verdicts)
        writer.receipt()


def _selection(connection: Connection, options: Namespace) -> Selection:
    contract = None
    if options.contract is not None:
        contract = find_contract(options.contract, contracts_in_force(model_contracts(connection)))
    reason = None if options.reason is None else RejectionReason(options.reason)
    return Selection(reason, options.since, options.until, contract)


def _parser() -> ArgumentParser:
    parser = job_parser(
        "netheal replay",
        "Score rejected rows again, with today's contracts and active models. A row is accepted at most once; what is"
        " rejected again stays in quarantine.",
    )
    add = parser.add_argument
    add("--reason", choices=[reason.value for reason in RejectionReason], help="rows rejected for this reason")
    add("--contract", metavar="ID", help="rows that lacked a model for this contract, or failed on one of its features")
    add(
        "--since",
        type=_moment,
        metavar="TIME",
        help="rows recorded at or after this ISO 8601 time (without zone: UTC)",
    )
    add("--until", type=_moment, metavar="TIME", help="rows recorded before this time")
    add("--limit", type=_positive, metavar="N", help="score at most N rows")
    add("--again", action="store_true", help="also rows that the same models rejected in an earlier replay")
    return parser


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no ISO 8601 time, such as 2026-03-01T00:00:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"{text} is not 1 or more")
    return number


_SKIPPED = {
    "accepted_before": "accepted by an earlier replay",
    "rejected_by_same_models": "rejected by the same models before (--again scores them all the same)",
    "batch_not_finished": "of a batch that is not finished yet",
}


def _in_words(report: dict[str, Any]) -> str:
    would = "would be " if report["dry_run"] else ""
    lines = [f"{report['resumed']} rows of a replay that was cut off are finished"] if report["resumed"] else []
    lines += [f"{report['accepted']} rows {would}accepted, {report['attacks']} of them attacks"]
    lines += [f"  {n} had been rejected as {reason}" for reason, n in report["accepted_by_reason"].items()]
    lines += [f"{report['rejected_again']} rows {would}rejected again"]
    lines += [f"  {n} as {reason}" for reason, n in report["rejected_by_reason"].items()]
    lines += [f"{n} rows passed over: {_SKIPPED[why]}" for why, n in report["skipped"].items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point."""
    return run_job(_parser(), arguments, replay_quarantine, _in_words)


if __name__ == "__main__":
    sys.exit(main())
