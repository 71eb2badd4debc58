"""A stored row scored again gives the same bits, and every column that was altered is named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from netheal.errors import Conflict
from netheal.healing.policy import Policy
from netheal.receipts.rescoring import Rescoring, score_again, stored_table
from netheal.scoring.model import ServedModel
from tests.own_features import own_messages, own_model
from tests.stored_verdicts import by_contract, stored_verdicts

Starter = Callable[[str], ServedModel]


def again(row: dict[str, Any], models: dict[str, ServedModel], policy: Policy) -> Rescoring:
    return score_again(stored_table(row, models), models, policy)


@pytest.mark.parametrize(
    "names", [("attack_classifier", "threat_detector"), ("attack_classifier_tree", "threat_detector_ensemble")]
)
def test_every_stored_row_is_bit_equal(names: tuple[str, ...], starter: Starter, policy: Policy) -> None:
    models = [starter(name) for name in names]
    rows = stored_verdicts(models, policy)
    assert (
        {row["attack_class"] is None for row in rows} == {row["threat_score"] is None for row in rows} == {True, False}
    )
    for row in rows:
        loaded = by_contract(
            [m for m in models if m.bundle.hash in (row["threat_model_hash"], row["attack_model_hash"])]
        )
        found = again(row, loaded, policy)
        assert found.equal, found.differences
        assert {
            "threat_score",
            "attack_class",
            "attack_confidence",
            "threat_novelty",
            "is_attack",
            "action_params",
        } < set(found.columns)


def test_a_row_of_features_that_nobody_else_knows_is_bit_equal(policy: Policy) -> None:
    served = ServedModel(own_model().served)
    rows = stored_verdicts([served], policy, own_messages(20))
    assert len(rows) == 20
    assert all(again(row, by_contract([served]), policy).equal for row in rows)


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("threat_score", lambda old: old + 2**-53 if old < 0.5 else old - 2**-53, {"threat_score"}),
        ("is_attack", lambda old: not old, {"is_attack"}),
        ("threat_novelty", lambda old: old + 0.5, {"threat_novelty"}),
        ("action_type", lambda _: "restart_service", {"action_type"}),
        ("policy_version", lambda _: "000000000000", {"policy_version"}),
        ("threat_model_version", lambda _: "another", {"threat_model_version"}),
        ("service", lambda old: old + 1, {"service"}),
        ("partition", lambda old: old + 1, {"event_id"}),
    ],
)
def test_an_altered_column_is_named(
    column: str, value: Callable[[Any], Any], named: set[str], starter: Starter, policy: Policy
) -> None:
    model = starter("threat_detector")
    row = next(
        r for r in stored_verdicts([model], policy) if r["service_category"] is not None and r["service"] is not None
    )
    found = again(row | {column: value(row[column])}, by_contract([model]), policy)
    assert not found.equal and {of.column for of in found.differences} == named
    (of,) = found.differences
    assert of.stored != of.rescored


def test_an_altered_feature_shows_in_the_answer(starter: Starter, policy: Policy) -> None:
    model = starter("threat_detector_ensemble")
    row = stored_verdicts([model], policy)[0]
    found = again(row | {"src_bytes": row["src_bytes"] + 5000.0}, by_contract([model]), policy)
    assert "threat_score" in {of.column for of in found.differences}


def test_a_row_that_would_be_rejected_now_is_told(starter: Starter, policy: Policy) -> None:
    model = starter("threat_detector")
    row = stored_verdicts([model], policy)[0]
    found = again(row | {"src_bytes": -1.0}, by_contract([model]), policy)
    assert not found.equal and "out_of_range: src_bytes: -1 is below 0" in found.rejection


def test_a_row_without_its_place_cannot_be_verified(starter: Starter, policy: Policy) -> None:
    model = starter("threat_detector")
    row = stored_verdicts([model], policy)[0]
    for altered, message in (({"topic": None}, "topic is empty"), ({"threat_score": "high"}, "other types")):
        with pytest.raises(Conflict, match=message):
            again(row | altered, by_contract([model]), policy)


def test_zero_and_minus_zero_are_other_bits(starter: Starter, policy: Policy) -> None:
    model = starter("threat_detector")
    row = next(r for r in stored_verdicts([model], policy) if r["threat_score"] == 0.0)
    found = again(row | {"threat_score": -0.0}, by_contract([model]), policy)
    assert [of.column for of in found.differences] == ["threat_score"]


def test_another_policy_decides_another_way(starter: Starter, policy: Policy) -> None:
    model = starter("threat_detector")
    row = stored_verdicts([model], policy)[0]
    rules = tuple(replace(rule, description=rule.description + "!") for rule in policy.rules)
    found = again(row, by_contract([model]), Policy(rules, policy.version))
    assert [of.column for of in found.differences] == ["action_description"]
