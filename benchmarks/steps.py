"""Measure what each step of a task costs a row: processor time of one process that does one step after another.

.venv/bin/python benchmarks/steps.py
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from rich.table import Table

from benchmarks.command import exit_on_failure, open_console, write_json
from benchmarks.postgres_rows import remove_rows
from benchmarks.processes import cpu_s, family
from benchmarks.rows import produce_backlog, real_messages
from benchmarks.scorer import starter_scorer
from benchmarks.stack import fresh_stack
from jobs.stages import worker_connections
from jobs.stages.partition_ranges import PartitionRange
from jobs.stages.range_reader import RangeReader
from netheal.embedded.stack import LocalStack
from netheal.kafka.topics import offset_ranges, topic_id
from netheal.settings import PROJECT_ROOT
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.sinks.output_topic import OutputTopicWriter
from netheal.sinks.postgres_rows import PostgresRowWriter
from netheal.store.database import connect
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.partitions import ensure_partitions
from netheal.verdicts.counts import MinuteCounts, count_rows
from netheal.verdicts.drift import DriftCounter
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import ScoredBatch
from udfs.workers import freeze_gc

_SERVERS = ("broker", "postgres")
_BATCH_ID = 0
_OWNER = "steps"


@dataclass(frozen=True)
class Cost:
    """Processor time in µs a row: of this process, all its threads, and of the servers that it asks."""

    process: float
    broker: float
    postgres: float

    def __add__(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(self.process + other.process, self.broker + other.broker, self.postgres + other.postgres)

    def __sub__(self, part: "Cost") -> "Cost":
        """Without a part, and not below 0."""
        return Cost(
            max(0.0, self.process - part.process),
            max(0.0, self.broker - part.broker),
            max(0.0, self.postgres - part.postgres),
        )


@dataclass(frozen=True)
class Meter:
    """Measures work on `rows` rows, `repeats` times; each cost is the least of them."""

    stack: LocalStack
    rows: int
    repeats: int

    def cost(self, work: Callable[[], object], before: Callable[[], object] = lambda: None) -> Cost:
        """Of the work; `before` is called ahead of each time and does not count, and the first time does not either."""
        spent = [self._once(work, before) for _ in range(self.repeats + 1)][1:]
        return Cost(*(1e6 / self.rows * min(times) for times in zip(*spent, strict=True)))

    def _once(self, work: Callable[[], object], before: Callable[[], object]) -> tuple[float, ...]:
        before()
        servers = self._servers_s()
        begun = time.process_time()
        work()
        spent = time.process_time() - begun
        after = self._servers_s()
        return (spent, *(after[name] - servers[name] for name in _SERVERS))

    def _servers_s(self) -> dict[str, float]:
        found = family(self.stack.pids)
        return {name: cpu_s(found[name]) for name in _SERVERS}


class Steps:
    """The steps of a task over the same rows, each by the task's own code."""

    def __init__(self, stack: LocalStack, scorer: RecordScorer) -> None:
        self._scorer = scorer
        self._kafka = stack.settings.kafka.bootstrap_servers
        self._topics = stack.settings.stream.input_topic, stack.settings.stream.output_topic
        self._dsn = stack.settings.postgres.dsn.get_secret_value()
        self._delta_root = stack.settings.paths.delta_root
        hashes = (model.bundle.hash for model in scorer.scorer.models.values())
        self._model_ids = {bundle_hash: number for number, bundle_hash in enumerate(hashes, 1)}
        self._ranges = [
            PartitionRange(int(partition), 0, found.end)
            for partition, found in offset_ranges(self._kafka, self._topics[0]).items()
        ]
        self.records = self.read()
        self._scored = self.score()

    def read(self) -> list[pa.RecordBatch]:
        """Kafka to Arrow."""
        return list(
            RangeReader(self._topics[0], topic_id(self._kafka, self._topics[0]), self._kafka, {}).read(self._ranges)
        )

    def decode(self) -> None:
        """Messages to columns."""
        for records in self.records:
            self._scorer.decoder.decode(records.column("value"))

    def score(self) -> list[ScoredBatch]:
        """Decode, check, models, policy."""
        return [self._scorer.score(records, _BATCH_ID) for records in self.records]

    def run_models(self) -> None:
        """Scores, confidences and novelty of the rows that were accepted."""
        for scored in self._scored:
            for part in scored.inputs:
                model = self._scorer.scorer.models[part.contract.id]
                if part.contract.model_type == "threat_detector":
                    model.threat_novelty(part.matrix, model.threat_scores(part.matrix))
                else:
                    model.attack_novelty(part.matrix, model.attack_scores(part.matrix).confidence)

    def count(self) -> None:
        """Counts a minute, and bins for drift."""
        counts: MinuteCounts = Counter()
        drift = DriftCounter(self._scorer.scorer.models)
        for scored in self._scored:
            counts.update(count_rows(scored.verdicts, scored.rejected))
            drift.add(scored)
        drift.by_bundle()

    def encode(self) -> None:
        """Messages of the output topic."""
        for scored in self._scored:
            encode_verdicts(scored.verdicts)

    def produce(self) -> None:
        """Encode them and send them, until the last is acknowledged."""
        writer = OutputTopicWriter(worker_connections.producer(self._kafka, {}), self._topics[1])
        for scored in self._scored:
            writer.write(scored.verdicts)
        writer.receipt()

    def write_parts(self) -> None:
        """The Parquet files, durable and not committed."""
        verdicts, quarantine = (
            DeltaPartWriter(layout, self._delta_root, _BATCH_ID, _OWNER)
            for layout in (verdicts_layout(), quarantine_layout())
        )
        for scored in self._scored:
            verdicts.write(scored.verdicts)
            quarantine.write(scored.rejected)
        verdicts.receipt()
        quarantine.receipt()

    def copy(self) -> None:
        """The rows of Postgres, committed."""
        writer = PostgresRowWriter(worker_connections.postgres(self._dsn), self._model_ids)
        for scored in self._scored:
            writer.write(scored.verdicts, scored.rejected)
        writer.receipt()


def measure(stack: LocalStack, messages: Sequence[bytes], repeats: int) -> dict[str, Cost]:
    """Step -> its cost, in the order of a task."""
    produce_backlog(stack.settings, messages, len(messages))
    connection = connect(stack.settings.postgres.dsn.get_secret_value())
    ensure_partitions(connection)
    connection.close()
    steps = Steps(stack, starter_scorer(stack.settings.stream.input_topic))
    freeze_gc()
    meter = Meter(stack, len(messages), repeats)
    decode, score, models = meter.cost(steps.decode), meter.cost(steps.score), meter.cost(steps.run_models)
    encode, produce = meter.cost(steps.encode), meter.cost(steps.produce)
    return {
        "Kafka to Arrow": meter.cost(steps.read),
        "decode": decode,
        "check, features, policy": score - decode - models,
        "models": models,
        "counts and drift": meter.cost(steps.count),
        "encode output messages": encode,
        "produce output messages, flush": produce - encode,
        "Parquet parts": meter.cost(steps.write_parts),
        "Postgres rows, COPY": meter.cost(steps.copy, before=partial(remove_rows, stack.settings)),
    }


def as_table(costs: dict[str, Cost], title: str) -> Table:
    """A row a step, and their sum."""
    table = Table("step", title=title)
    for name in ("this process", *_SERVERS):
        table.add_column(name, justify="right")
    total = sum(costs.values(), Cost(0, 0, 0))
    for step, cost in {**costs, "all": total}.items():
        table.add_row(step, *(f"{value:.2f}" for value in asdict(cost).values()))
    return table


def main(
    rows: Annotated[int, typer.Option(min=1_000, help="Real rows that each step takes.")] = 80_000,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each step is done; the least cost counts.")] = 5,
    data: Annotated[Path, typer.Option(exists=True, file_okay=False)] = PROJECT_ROOT.parent / "shared" / "data",
    json_output: Annotated[bool, typer.Option("--json", help="Figures as JSON on the last line.")] = False,
) -> None:
    """Measure each step of a task by itself, against a broker and a Postgres of its own."""
    console = open_console(json_output)
    load_average = os.getloadavg()[0]
    with exit_on_failure(console):
        messages = real_messages(data)[:rows]
        with fresh_stack(console.print) as stack:
            costs = measure(stack, messages, repeats)
    mean_bytes = float(np.mean([len(message) for message in messages]))
    console.print(as_table(costs, f"CPU µs a row, {len(messages)} rows of {mean_bytes:.0f} bytes, best of {repeats}"))
    if json_output:
        steps = {step: {name: round(us, 3) for name, us in asdict(cost).items()} for step, cost in costs.items()}
        document = {"rows": len(messages), "cpu_us_per_row": steps, "load_average": load_average}
        write_json(document)


if __name__ == "__main__":
    typer.run(main)
