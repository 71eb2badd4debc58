"""Fuzzed records through the pass and what makes the rows of each sink: none is lost, and no message is unreadable."""

import json

import numpy as np
import pyarrow as pa
import pytest

from netheal.contracts.schema import RAW_SCHEMA
from netheal.store.serving_rows import serving_rows
from netheal.verdicts.counts import count_rows
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.record_scorer import RecordScorer
from tests.whole_records import whole_records

ROWS = 2_000
_MOST_US = np.iinfo(np.int64).max


@pytest.mark.parametrize("seed", range(1, 5))
def test_every_record_is_in_one_result_of_each_kind(scorer: RecordScorer, seed: int) -> None:
    records = whole_records(seed, ROWS)
    columns = [
        [0] * ROWS,
        list(range(ROWS)),
        [max(-_MOST_US, min(_MOST_US, record.timestamp_ms * 1_000)) for record in records],
        [record.key for record in records],
        [record.value for record in records],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    scored = scorer.score(pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA), 1)
    offsets = [*scored.verdicts["offset"].to_pylist(), *scored.rejected["offset"].to_pylist()]
    assert sorted(offsets) == list(range(ROWS))
    messages = [json.loads(message) for message in encode_verdicts(scored.verdicts)]
    assert [m["traffic_data_id"] for m in messages] == scored.verdicts["event_id"].to_pylist()
    counts = count_rows(scored.verdicts, scored.rejected)
    assert sum(n for (_, kind, _), n in counts.items() if kind in ("prediction", "rejected")) == ROWS
    stored = serving_rows(scored.verdicts, scored.rejected, {})
    assert {name: table.num_rows for name, table in stored.items()} == {
        "verdicts": scored.verdicts.num_rows,
        "rejected": scored.rejected.num_rows,
    }
    for table in stored.values():
        texts = [column for column in table.columns if pa.types.is_string(column.type)]
        assert not any("\0" in (text or "") for column in texts for text in column.to_pylist())
