"""What a start does with each state of ledger, checkpoint, Delta and broker: going on is never a guess."""

from dataclasses import replace
from typing import Any

import pytest

from netheal.kafka.offsets import OffsetRange
from netheal.recovery.checkpoint import Checkpoint, ResumePoint
from netheal.recovery.resume import ResumeState, decide, lost_ranges, resume_point
from netheal.store.ledger import BatchPins, LedgerEnd

DONE = {"0": 300, "1": 300}
OPEN = BatchPins("flows", "id", DONE, {"0": 450, "1": 440}, {}, "p")
ALL_DONE = LedgerEnd(DONE, "q", 1)
ONE_OPEN = LedgerEnd(DONE, "q", 2, OPEN)
NOTHING = LedgerEnd({})
BROKER = {"0": OffsetRange(0, 900), "1": OffsetRange(0, 900)}
NEWEST = Checkpoint("q", 1, 1, DONE)


def found(ledger: LedgerEnd = ALL_DONE, checkpoint: Checkpoint = NEWEST, **more: Any) -> ResumeState:
    given: dict[str, Any] = {"delta_batch": ledger.last_batch, **more}
    return replace(ResumeState("flows", ledger, BROKER, checkpoint), **given)


GOES_ON = {
    "first start": found(NOTHING, Checkpoint()),
    "first batch planned, never pinned": found(NOTHING, Checkpoint("q", 0, -1, {"0": 5, "1": 5})),
    "all over": found(),
    "last commit lost": found(checkpoint=replace(NEWEST, last_commit=0)),
    "next batch planned, never pinned": found(checkpoint=Checkpoint("q", 2, 1, {"0": 800, "1": 800})),
    "open batch, killed before its Delta commit": found(
        ONE_OPEN, Checkpoint("q", 2, 1, OPEN.end_offsets), delta_batch=1
    ),
    "open batch, killed after its Delta commit": found(ONE_OPEN, Checkpoint("q", 2, 1, OPEN.end_offsets)),
    "rows of all partitions were read up to the earliest": found(
        broker={"0": OffsetRange(300, 900), "1": OffsetRange(300, 300)}
    ),
    "a topic whose first rows were gone before the first start": found(
        NOTHING, Checkpoint(), broker={"0": OffsetRange(77, 900)}
    ),
}

MADE_ANEW = {
    "lost": found(checkpoint=Checkpoint()),
    "lost, with a batch open": found(ONE_OPEN, Checkpoint()),
    "an older copy": found(checkpoint=Checkpoint("q", 0, 0, {"0": 150, "1": 150})),
    "an older copy, with a batch open": found(ONE_OPEN, NEWEST),
    "of an earlier query": found(checkpoint=Checkpoint("before", 7, 7, DONE), checkpoint_known=True),
    "damaged before anything was pinned": found(NOTHING, Checkpoint(damage=("metadata is empty",))),
}

REFUSED = {
    "damaged": (found(checkpoint=replace(NEWEST, damage=("commits/1 is empty",))), "commits/1 is empty", "rebuild'"),
    "of an unknown query": (found(checkpoint=Checkpoint("x", 7, 7, DONE)), "another stream", "rebuild'"),
    "other offsets": (found(checkpoint=replace(NEWEST, end={"0": 299, "1": 300})), "other offsets", "rebuild'"),
    "open batch with other offsets": (found(ONE_OPEN, Checkpoint("q", 2, 1, DONE)), "other offsets", "rebuild'"),
    "ahead of the ledger": (found(checkpoint=Checkpoint("q", 3, 2, DONE)), "batch 2 is over", "rebuild'"),
    "over what the ledger holds open": (
        found(ONE_OPEN, Checkpoint("q", 2, 2, OPEN.end_offsets)),
        "batch 2 is over",
        "rebuild'",
    ),
    "database older than Delta": (found(delta_batch=2), "older backup", "--score-again'"),
    "database older than Delta, checkpoint lost": (
        found(checkpoint=Checkpoint(), delta_beyond=True),
        "older backup",
        "--score-again'",
    ),
    "database emptied": (found(NOTHING, Checkpoint(), delta_beyond=True), "none of topic flows", "NETHEAL_STORE_ROOT"),
    "database emptied, Delta too": (found(NOTHING, NEWEST), "none of topic flows", "NETHEAL_STORE_ROOT"),
    "retention": (
        found(broker={"0": OffsetRange(310, 900), "1": OffsetRange(0, 900)}),
        "offsets 300 to 309 of partition 0",
        "topic adopt'",
    ),
    "retention took a part of the open batch": (
        found(ONE_OPEN, Checkpoint("q", 2, 1, OPEN.end_offsets), broker={"0": OffsetRange(310, 900)}),
        "offsets 300 to 309 of partition 0",
        "topic adopt'",
    ),
    "retention took rows of a partition that is new": (
        found(broker={**BROKER, "2": OffsetRange(5, 9)}),
        "offsets 0 to 4 of partition 2",
        "topic adopt'",
    ),
    "the broker lost its newest rows": (
        found(broker={"0": OffsetRange(0, 290), "1": OffsetRange(0, 900)}),
        "offsets 290 to 299 of partition 0",
        "topic adopt'",
    ),
}


@pytest.mark.parametrize("state", GOES_ON.values(), ids=GOES_ON.keys())
def test_spark_goes_on_from_what_is_there(state: ResumeState) -> None:
    assert decide(state).action == "go_on"


@pytest.mark.parametrize("state", MADE_ANEW.values(), ids=MADE_ANEW.keys())
def test_a_checkpoint_of_which_the_ledger_knows_all_is_made_anew(state: ResumeState) -> None:
    decision = decide(state)
    assert decision.action == "rebuild"
    assert decision.reason


@pytest.mark.parametrize(("state", "what", "way_out"), REFUSED.values(), ids=REFUSED.keys())
def test_everything_else_is_refused_with_the_way_out(state: ResumeState, what: str, way_out: str) -> None:
    decision = decide(state)
    assert decision.action == "refuse"
    assert what in decision.reason
    assert way_out in decision.reason


def test_an_older_database_is_told_before_what_follows_from_it() -> None:
    """Adopting a gap that only an older database sees would read again what Delta has."""
    state = found(delta_batch=5, broker={"0": OffsetRange(500, 900), "1": OffsetRange(0, 900)})
    assert "older backup" in decide(state).reason


def test_the_open_batch_is_replayed_with_its_pins() -> None:
    assert resume_point(ALL_DONE) == ResumePoint("q", 2, DONE)
    assert resume_point(ONE_OPEN) == ResumePoint("q", 2, DONE, OPEN.end_offsets)
    assert resume_point(NOTHING) is None


def test_lost_offsets_are_those_between_the_position_and_the_earliest() -> None:
    broker = {"0": OffsetRange(310, 900), "1": OffsetRange(300, 900), "10": OffsetRange(1, 2), "2": OffsetRange(4, 9)}
    lost = {"0": OffsetRange(300, 310), "2": OffsetRange(0, 4), "10": OffsetRange(0, 1)}
    assert lost_ranges(ALL_DONE, broker) == lost
    assert list(lost_ranges(ALL_DONE, broker)) == ["0", "2", "10"]
    assert lost_ranges(NOTHING, broker) == {}
