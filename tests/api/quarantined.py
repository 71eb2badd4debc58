"""Rows that the stream rejected, as it leaves them in Delta and Postgres once their batch is done."""

import json
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from netheal.contracts import wire_contracts
from netheal.contracts.schema import RAW_SCHEMA
from netheal.healing.policy import read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.settings import Settings
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.counts import add_counts
from netheal.store.database import Connection, transaction
from netheal.store.delta import DeltaLog, quarantine_layout
from netheal.store.serving_rows import copy_rows, joined_rows, serving_rows
from netheal.verdicts.counts import count_rows
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer
from tests.api.stored_rows import NOW, store_batch

TOPIC = "network-traffic"


def store_quarantined(
    database: Connection,
    settings: Settings,
    messages: Sequence[bytes],
    at: datetime = NOW,
    batch_id: int = 0,
    first: int = 0,
    state: str = "done",
    topic: str = TOPIC,
    partition: int = 0,
) -> list[int]:
    """Let no model be active for these messages, from offset `first` of a partition on; their event ids."""
    rows = len(messages)
    columns = [[partition] * rows, [*range(first, first + rows)], [at] * rows, [None] * rows, list(messages)]
    records = pa.RecordBatch.from_pydict(dict(zip(RAW_SCHEMA.names, columns, strict=True)), RAW_SCHEMA)
    decoder = MessageDecoder(vocabulary(wire_contracts()))
    scorer = Scorer({}, read_policy(settings.paths.policy_path))
    scored = RecordScorer(scorer, decoder, topic, 0, at).score(records, batch_id)
    assert scored.verdicts.num_rows == 0
    writer = DeltaPartWriter(quarantine_layout(), settings.paths.delta_root, batch_id, "q")
    writer.write(scored.rejected)
    assert DeltaLog(quarantine_layout(), settings.paths.delta_root).commit(writer.receipt(), "netheal-q", batch_id)
    store_batch(database, batch_id, (first, first + rows), state=state, verdicts=0, rejected=rows)
    with transaction(database) as cursor:
        copy_rows(cursor, joined_rows([serving_rows(scored.verdicts, scored.rejected, {})]))
        if state == "done":
            ends = json.dumps({"0": first + rows})
            cursor.execute("update topics set done_offsets = done_offsets || %s::jsonb", (ends,))
            add_counts(cursor, count_rows(scored.verdicts, scored.rejected))
    return sorted(scored.rejected["event_id"].to_pylist())
