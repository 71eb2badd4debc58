"""Delta tables for the notebooks to read: those of a netheal, or new ones of generated or public rows.

New ones are written as the stream writes them, by its scorer and its Delta writer, but without broker, Postgres and
Spark.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from labelled_flows import CONNECTION_FILES, FLOW_FILES, public_file
from second_meter import by_second_meter

from netheal.bundles.served import ServedBundle, read_served
from netheal.contracts import contract, wire_contracts
from netheal.contracts.schema import RAW_SCHEMA
from netheal.healing.policy import Policy, read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.settings import Settings
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.delta import DeltaLog, quarantine_layout, verdicts_layout
from netheal.traffic.generator import START, TrafficGenerator
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer

DAYS = 7
"""The rows of a new store lie as far apart as makes a week of them."""
_STARTERS = ("threat_detector", "attack_classifier")
_TOPIC = "network-traffic"
_SEED = 4
_CHUNK_ROWS = 10_000


def stored_traffic(settings: Settings) -> str:
    """The root of the Delta tables `verdicts` and `quarantine`.

    That is `notebook_data` where there are such tables. Otherwise a week of traffic is scored and stored under
    `var_dir`, once for the same data, models and policy: generated traffic whose last two days were measured by another
    meter, or the public files in `notebook_data`, each in a random order, one behind the other.
    """
    data = settings.notebooks.data
    if data and DeltaTable.is_deltatable(verdicts_layout().uri(data)):
        return data if "://" in data else str(Path(data).resolve())
    bundles, policy = _starters(settings), read_policy(settings.paths.policy_path)
    made_of = [data or settings.notebooks.rows, policy.version, *(bundle.hash for bundle in bundles)]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
    root = settings.paths.var_dir / "notebooks" / f"store-{digest}"
    if not root.is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        messages = _public_messages(settings) if data else _generated_messages(settings.notebooks.rows)
        with tempfile.TemporaryDirectory(dir=root.parent) as folder:
            _store(messages, _scorer(bundles, policy), new := Path(folder) / "store")
            new.rename(root)
    return str(root.resolve())


def _store(messages: list[bytes], scorer: RecordScorer, root: Path) -> None:
    """Score the messages, which are a week's, and commit them to new tables."""
    layouts = verdicts_layout(), quarantine_layout()
    logs = [DeltaLog(layout, str(root)) for layout in layouts]
    writers = [DeltaPartWriter(layout, str(root), 0) for layout in layouts]
    for records in _records(messages):
        scored = scorer.score(records, 0)
        for writer, table in zip(writers, (scored.verdicts, scored.rejected), strict=True):
            writer.write(table)
    for log, writer in zip(logs, writers, strict=True):
        log.commit(writer.receipt(), "notebooks", 0)


def _starters(settings: Settings) -> list[ServedBundle]:
    """The models that the stream has at its first start."""
    return [read_served(settings.paths.starter_models_dir / name) for name in _STARTERS]


def _scorer(bundles: list[ServedBundle], policy: Policy) -> RecordScorer:
    """As the stream has it."""
    models = {bundle.contract.id: ServedModel(bundle) for bundle in bundles}
    return RecordScorer(
        scorer=Scorer(models, policy),
        decoder=MessageDecoder(vocabulary(wire_contracts())),
        topic=_TOPIC,
        offset_base=0,
        read_at=START,
    )


def _records(messages: list[bytes]) -> Iterator[pa.RecordBatch]:
    """Kafka records of one partition, evenly spread over the week."""
    step_us = timedelta(days=DAYS) / timedelta(microseconds=1) / len(messages)
    for begin in range(0, len(messages), _CHUNK_ROWS):
        values = messages[begin : begin + _CHUNK_ROWS]
        offsets = np.arange(begin, begin + len(values))
        times = np.datetime64(START.replace(tzinfo=None), "us") + (offsets * step_us).astype("timedelta64[us]")
        columns = [np.zeros(len(values), np.int32), offsets, times, [None] * len(values), values]
        arrays = [
            pa.array(column).cast(field.type) if field.name == "timestamp" else pa.array(column, field.type)
            for column, field in zip(columns, RAW_SCHEMA, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)


def _generated_messages(rows: int) -> list[bytes]:
    generator = TrafficGenerator(_SEED, start=START, rows_per_s=rows / timedelta(days=DAYS).total_seconds())
    messages = generator.messages(rows)
    exchanged = rows * (DAYS - 2) // DAYS
    return messages[:exchanged] + [_by_second_meter(message) for message in messages[exchanged:]]


def _by_second_meter(message: bytes) -> bytes:
    """A message with the features of attack/v1 measured by the other meter; any other as it is."""
    try:
        flow = json.loads(message)
    except ValueError:  # a broken one, as generated traffic has some
        return message
    names = contract("attack/v1").names
    if not isinstance(flow, dict) or not all(type(flow.get(name)) in (int, float) for name in names):
        return message
    return json.dumps(by_second_meter(flow), default=float).encode()


def _public_messages(settings: Settings) -> list[bytes]:
    random, messages = np.random.default_rng(_SEED), list[bytes]()
    for name in (*FLOW_FILES.values(), CONNECTION_FILES["KDDTest+"]):
        rows = [row for table in read_flow_file(public_file(settings, name)) for row in encode_rows(table)]
        messages += [rows[place] for place in random.permutation(len(rows))]
    return messages
