"""The mixed load: both contracts, and a known number of messages that must be rejected."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.ledger import ClosedBatch, require_rows
from benchmarks.loads import BROKEN_SHARE, Load, LoadName, mixed_load
from benchmarks.rows import repeated
from benchmarks.scorer import as_records, starter_scorer
from netheal.errors import ServiceUnavailable
from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.mix import Kind, default_mix

ROWS = 1_500


def sound(contract_id: Kind) -> list[bytes]:
    mix = replace(default_mix(), contracts={contract_id: 1.0})
    return TrafficGenerator(3, mix, broken_share=0.0).messages(ROWS)


@pytest.fixture(scope="module")
def load() -> Load:
    attacks = sound("attack/v1")
    return mixed_load({"attack/v1": [b"no row", *attacks], "threat/v1": sound("threat/v1")})


def test_what_is_rejected_is_what_was_broken(load: Load) -> None:
    assert load.broken is not None
    scored = [starter_scorer().score(records, 0) for records in as_records(load.messages, 1_000)]
    rejected = [place for batch in scored for place in batch.rejected["offset"].to_pylist()]
    assert sorted(rejected) == np.flatnonzero(load.broken).tolist()
    assert len(rejected) == round(BROKEN_SHARE * len(load.messages)) == 60
    assert len({reason for batch in scored for reason in batch.rejected["reason"].to_pylist()}) > 8


def test_half_of_the_rows_are_of_each_contract_in_no_order(load: Load) -> None:
    is_attack = np.array([b"Flow Duration" in message for message in load.messages])
    assert abs(is_attack.sum() - ROWS) < 60
    assert 0.4 < np.mean(is_attack[1:] != is_attack[:-1]) < 0.6


def test_broken_messages_are_counted_over_many_rounds() -> None:
    load = Load(LoadName.MIXED, [b"a", b"b", b"c"], np.array([True, False, True]))
    assert [load.broken_in(rows) for rows in (0, 1, 2, 3, 7)] == [0, 1, 1, 2, 5]
    assert Load(LoadName.REAL, [b"a"]).broken_in(7) is None


def test_the_load_is_the_same_at_every_call(load: Load) -> None:
    again = mixed_load({"attack/v1": sound("attack/v1"), "threat/v1": sound("threat/v1")})
    assert again.messages == load.messages


def test_two_producers_together_send_the_first_messages_of_the_load() -> None:
    messages = [b"a", b"b", b"c"]
    plain, compressed = ([m for chunk in repeated(messages, 4, first) for m in chunk] for first in (0, 4))
    assert plain + compressed == [m for chunk in repeated(messages, 8) for m in chunk]


def test_a_ledger_that_has_other_rows_than_were_sent_fails_the_run() -> None:
    batches = [ClosedBatch(90, 10, 0.0), ClosedBatch(100, 0, 1.0)]
    require_rows(batches, 200, 10)
    require_rows(batches, 200, None)
    for sent, broken in ((201, 10), (200, 11)):
        with pytest.raises(ServiceUnavailable, match=f"{sent} were sent|{broken} broken ones"):
            require_rows(batches, sent, broken)
