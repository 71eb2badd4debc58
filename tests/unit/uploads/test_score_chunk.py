"""A chunk of a file is scored as its rows would be as messages of the stream, and keeps these of rejected rows."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from netheal.bundles.served import ServedBundle
from netheal.contracts import wire_contracts
from netheal.contracts.schema import RAW_SCHEMA, rejected_schema, verdict_schema
from netheal.healing.policy import read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.traffic.generator import TrafficGenerator
from netheal.uploads.flow_file import FlowChunk, open_flows
from netheal.uploads.score_file import score_chunk
from netheal.uploads.upload_store import TOPIC, OpenUpload
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer

TICKET = OpenUpload(4, "20241201_143022_abc123", datetime(2024, 12, 1, 14, 30, 22, 123_456, UTC))
ODD = ["", "many", "NaN", "Infinity", "-inf", "1e400", "0x10", " 7 ", "-1", "9" * 30, "true", "http", "no such word"]


def both_contracts(rows: int) -> str:
    """A CSV of generated flows of both contracts; each has one odd cell, and every 20th has one cell too many."""
    messages = [json.loads(message) for message in TrafficGenerator(7, broken_share=0.0).messages(rows)]
    names = list(dict.fromkeys(name for message in messages for name in message))
    rng, lines = np.random.default_rng(3), [",".join(names)]
    for at, message in enumerate(messages):
        message[str(rng.choice(list(message)))] = str(rng.choice(ODD))
        cells = [str(message.get(name, "")) for name in names]
        lines.append(",".join([*cells, "more"] if at % 20 == 0 else cells))
    return "\n".join(lines) + "\n"


def records(chunk: FlowChunk, numbers: "np.ndarray[Any, np.dtype[np.int64]]") -> pa.RecordBatch:
    rows = len(chunk.lines)
    columns = [[1023] * rows, numbers, [TICKET.at] * rows, [None] * rows, chunk.messages(range(rows))]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)


def test_rows_of_a_file_are_scored_as_their_messages(
    root: Path, threat_bundle: ServedBundle, attack_bundle: ServedBundle
) -> None:
    bundles = (threat_bundle, attack_bundle)
    models = {bundle.contract.id: ServedModel(bundle) for bundle in bundles}
    scorer = Scorer(models, read_policy(root / "conf" / "healing_policy.json"))
    stream = RecordScorer(scorer, MessageDecoder(vocabulary(wire_contracts())), TOPIC, 0, TICKET.at)
    (chunk,) = open_flows(io.BytesIO(both_contracts(1_000).encode()), wire_contracts()).chunks()
    numbers = np.arange(5_000, 6_000)
    scored, expected = score_chunk(scorer, chunk, numbers, TICKET), stream.score(records(chunk, numbers), TICKET.id)
    assert scored.verdicts.num_rows > 300
    assert scored.verdicts.cast(verdict_schema()).equals(expected.verdicts.cast(verdict_schema()))
    assert scored.rule.tolist() == expected.rule.tolist()
    found, wanted = (
        result.rejected.cast(rejected_schema()).sort_by("offset").to_pylist() for result in (scored, expected)
    )
    malformed = set(range(5_000, 6_000, 20))
    assert {row["offset"] for row in found if row["reason"] == "malformed_row"} == malformed
    assert [row["offset"] for row in found] == [row["offset"] for row in wanted]
    for row, same in zip(found, wanted, strict=True):
        if row["offset"] not in malformed:
            assert without_value(row) == without_value(same)
        assert repr(json.loads(row["value"])) == repr(json.loads(same["value"]))


def without_value(row: dict[str, Any]) -> dict[str, Any]:
    """A message says the same whether a number is spelled 1e16 or 1e+16."""
    return {name: value for name, value in row.items() if name != "value"}
