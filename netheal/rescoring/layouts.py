"""The Delta tables of rescored rows: those of the stream, and what a row was scored for."""

import pyarrow as pa

from netheal.contracts.schema import rejected_schema, verdict_schema
from netheal.store.delta import Layout

ORIGIN_COLUMNS = pa.schema(
    [("run_id", pa.string()), ("file", pa.string()), ("line", pa.int64()), ("label", pa.string())]
)
"""Where a row of a run comes from, and its label as it came."""

COMPARED_COLUMNS = pa.schema(
    [
        ("other_threat_score", pa.float64()),
        ("other_threat_is_attack", pa.bool_()),
        ("other_attack_class", pa.string()),
        ("other_attack_confidence", pa.float64()),
        ("other_is_attack", pa.bool_()),
    ]
)
"""What the models said that a run is compared with; null where they did not take the row, or there are none."""


def rescored_verdicts_layout() -> Layout:
    """Every row that a run scored."""
    return Layout("rescored_verdicts", pa.schema([*verdict_schema(), *ORIGIN_COLUMNS, *COMPARED_COLUMNS]))


def rescored_rejected_layout() -> Layout:
    """Every row that a run rejected."""
    return Layout("rescored_rejected", pa.schema([*rejected_schema(), *ORIGIN_COLUMNS]))
