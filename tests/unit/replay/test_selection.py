"""Which rejected rows a replay is about."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from netheal.contracts import contract
from netheal.contracts.schema import rejected_schema
from netheal.errors import ContractError
from netheal.records.check import no_active_model
from netheal.records.reasons import RejectionReason
from netheal.replay.selection import Selection, find_contract

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = (
    ("no_active_model", "", no_active_model("attack/v1"), NOON),
    ("no_active_model", "", no_active_model("attack/v12"), NOON + timedelta(days=1)),
    ("missing_feature", "Idle Std", "attack/v1 lacks 1 feature", NOON + timedelta(days=2)),
    ("out_of_range", "Bwd IAT Total", "-1 is below 0", NOON + timedelta(days=3)),
    ("bad_timestamp", "timestamp", "-1", NOON),
    ("malformed_row", "", "3 cells", NOON),
)


def chosen(selection: Selection) -> list[int]:
    rows = [
        {"event_id": at, "reason": reason, "field": field, "detail": detail, "recorded_at": time}
        for at, (reason, field, detail, time) in enumerate(ROWS)
    ]
    table = pa.Table.from_pylist(rows, rejected_schema())
    table = table.append_column("date", table["recorded_at"].cast(pa.date32()))
    return list(
        ds.dataset(table).to_table(filter=selection.of_days()).filter(selection.of_rows())["event_id"].to_pylist()
    )


def test_all_that_a_model_or_a_contract_may_change() -> None:
    assert chosen(Selection()) == [0, 1, 2, 3]


def test_reason_and_time_choose() -> None:
    assert chosen(Selection(RejectionReason.OUT_OF_RANGE)) == [3]
    assert chosen(Selection(since=NOON + timedelta(days=1), until=NOON + timedelta(days=3))) == [1, 2]
    assert chosen(Selection(until=NOON)) == []


def test_a_contract_is_named_or_has_the_feature_at_fault() -> None:
    assert chosen(Selection(contract=contract("attack/v1"))) == [0, 2, 3]
    assert chosen(Selection(RejectionReason.NO_ACTIVE_MODEL, contract=contract("attack/v1"))) == [0]
    assert chosen(Selection(contract=contract("threat/v1"))) == []


def test_what_cannot_be_replayed_is_said() -> None:
    with pytest.raises(ContractError, match="cannot be replayed: the record's own time is unusable"):
        Selection(RejectionReason.BAD_TIMESTAMP)
    with pytest.raises(ContractError, match=r"no contract 'attack/v9': name one of attack/v1, threat/v1"):
        find_contract("attack/v9", [contract("threat/v1"), contract("attack/v1")])
