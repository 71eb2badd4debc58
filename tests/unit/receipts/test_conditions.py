"""Conditions of a path hold for exactly the rows that take it, in the row's own units."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from netheal.bundles.scaling import Scaling, min_max, standard
from netheal.contracts import Feature
from netheal.receipts.conditions import Condition, merged, own_thresholds

RANDOM = np.random.default_rng(3)
SCALINGS = {
    "none": Scaling(),
    "standard": standard(RANDOM.normal(size=6) * 1e3, np.abs(RANDOM.normal(size=6)) * 1e4 + 1e-3),
    "falling": standard(np.zeros(6), -np.abs(RANDOM.normal(size=6)) - 0.1),
    "clipped": min_max(np.full(6, 1e-4), np.full(6, -0.25), (0.0, 1.0)),
}


def rows_near(limits: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    near = [limits, np.nextafter(limits, np.inf), np.nextafter(limits, -np.inf)]
    return [*near, *(RANDOM.normal(size=len(limits)) * 10.0**power for power in range(-3, 9))]


@pytest.mark.parametrize("name", SCALINGS)
def test_a_condition_holds_for_exactly_the_values_that_go_its_way(name: str) -> None:
    scaling, places = SCALINGS[name], np.arange(6)
    thresholds = scaling.apply(RANDOM.normal(size=(1, 6)) * 5e3)[0].astype(np.float32)
    for left in (True, False):
        operators, limits = own_thresholds(scaling, places, thresholds, np.full(6, left))
        for values in rows_near(limits):
            goes_left = scaling.apply(values[None, :])[0].astype(np.float32) <= thresholds
            for at in range(6):
                if operators[at] == "any":
                    continue
                found = Condition(Feature("f", "f", 0, math.inf), 0.0, operators[at], float(limits[at]))
                assert found.holds(float(values[at])) == (goes_left[at] == left), (
                    operators[at],
                    limits[at],
                    values[at],
                )


def test_a_threshold_beyond_the_clip_says_nothing() -> None:
    operators, _ = own_thresholds(SCALINGS["clipped"], np.arange(1), np.array([1.5], np.float32), np.array([True]))
    assert operators == ["any"]


def test_texts_are_in_own_units_and_true_for_the_row() -> None:
    feature = Feature(" Flow Duration", "flow_duration", 0, math.inf, unit="us")
    assert Condition(feature, 12.0, "<=", 2000.5000001).text({}) == "Flow Duration ≤ 2000.5 us"
    close = Condition(feature, 2000.50000009, "<=", 2000.5000001)
    assert close.text({}) == "Flow Duration ≤ 2000.5000001 us", "rounded, it would not hold"
    codes = {"icmp": 0.0, "tcp": 1.0, "udp": 2.0}
    protocol = Feature("protocol_type", "protocol_type", 0, 9, category=True)
    assert Condition(protocol, 1.0, "<=", 1.5).text(codes) == "protocol_type is none of udp"
    assert Condition(protocol, 2.0, ">", 1.5).text(codes) == "protocol_type is one of udp"


def test_merged_conditions_are_the_tightest_of_each_feature() -> None:
    a, b = (Feature(name, name, 0, math.inf) for name in "ab")
    path = [
        Condition(a, 3.0, "<=", 9.0),
        Condition(b, 1.0, ">", 0.5),
        Condition(a, 3.0, "<=", 5.0),
        Condition(a, 3.0, ">", 1.0),
        Condition(a, 3.0, ">", 2.0),
        Condition(a, 3.0, "any", 0.0),
    ]
    assert [(of.feature.name, of.operator, of.threshold) for of in merged(path)] == [
        ("a", "<=", 5.0),
        ("a", ">", 2.0),
        ("b", ">", 0.5),
    ]
