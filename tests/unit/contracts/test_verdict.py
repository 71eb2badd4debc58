"""One definition each of attack, score, confidence and share."""

import numpy as np
import pytest

from netheal.contracts import attack_classes
from netheal.contracts.verdict import NO_CLASS, class_shares, is_attack, is_attack_class, passes_minimum

BENIGN, DDOS = (attack_classes().id_of(name) for name in ("BENIGN", "DDoS"))


@pytest.mark.parametrize(
    ("threat", "class_id", "attack"),
    [
        (False, NO_CLASS, False),
        (False, BENIGN, False),
        (False, DDOS, True),
        (True, NO_CLASS, True),
        (True, BENIGN, True),
        (True, DDOS, True),
    ],
)
def test_an_attack_is_one_by_either_model_in_one_row_and_in_many(threat: bool, class_id: int, attack: bool) -> None:
    assert is_attack(threat, class_id) is attack
    assert is_attack(np.array([threat]), np.array([class_id], np.int16)).tolist() == [attack]
    assert is_attack_class(class_id) is (class_id == DDOS)


def test_what_a_row_does_not_have_reaches_no_bound() -> None:
    assert [passes_minimum(value, 0.5) for value in (None, 0.4, 0.5, 0.6)] == [False, False, True, True]
    assert [passes_minimum(value, None) for value in (None, 0.4)] == [True, True]
    assert not passes_minimum(None, 0.0)


def test_shares_make_up_all_attacks() -> None:
    found = class_shares(9, {"BENIGN": 100, "DDoS": 3, "Bot": 5, "PortScan": 0})
    assert [(of.name, of.attacks) for of in found] == [("Bot", 5), ("DDoS", 3), ("unclassified", 1)]
    assert sum(of.share for of in found) == pytest.approx(100, abs=0.01)
    assert [of.name for of in class_shares(3, {"DDoS": 3})] == ["DDoS"]
    assert class_shares(0, {"BENIGN": 5}) == ()
