"""The product accepts every sound generated message and rejects every broken one for its own reason."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from netheal.contracts import contract
from netheal.records.reasons import RejectionReason
from netheal.traffic.broken import BROKEN, Broken, break_message
from netheal.traffic.generator import TrafficGenerator
from netheal.traffic.mix import default_mix
from tests.unit.traffic.checked import checked

RENAMED = {
    "array": RejectionReason.NOT_AN_OBJECT,
    "string_for_number": RejectionReason.WRONG_TYPE,
    "boolean_for_number": RejectionReason.WRONG_TYPE,
}


def test_sound_messages_are_all_accepted() -> None:
    result = checked(TrafficGenerator(8, broken_share=0.0).messages(6_000))
    assert result.rejected == []
    assert len(result.accepted) == 6_000


@pytest.mark.parametrize("way", BROKEN)
@pytest.mark.parametrize("contract_id", ["attack/v1", "threat/v1"])
def test_a_broken_message_is_rejected_for_its_reason(
    way: Broken, contract_id: Literal["attack/v1", "threat/v1"]
) -> None:
    wire = contract(contract_id)
    if way == "unknown_category" and not any(feature.category for feature in wire.features):
        return
    mix = replace(default_mix(), contracts={contract_id: 1.0})
    rng = np.random.default_rng(5)
    sound = TrafficGenerator(9, mix, broken_share=0.0).messages(50)
    result = checked([break_message(way, message, wire, rng) for message in sound])
    assert len(result.accepted) == 0
    assert {fault.reason for fault in result.rejected} == {RENAMED.get(way) or RejectionReason(way)}
    assert len(result.rejected) == 50
