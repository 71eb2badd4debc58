"""The contract of a model whose features are no shipped list."""

import numpy as np
import pytest

from netheal.contracts import Contract, known_features, wire_contracts
from netheal.contracts.contract import contract_document, contracts_in_force, parse_contract
from netheal.contracts.declared_features import declared_features
from netheal.contracts.own_contract import contract_for, is_readable
from netheal.contracts.schema import verdict_schema, verdict_schema_of
from netheal.errors import ContractError

ENTROPY = {"type": "number", "minimum": 0, "maximum": 8, "unit": "bits", "meaning": "Entropy of a byte of payload"}


@pytest.mark.parametrize("known", wire_contracts(), ids=lambda known: known.id)
def test_the_features_of_a_shipped_contract_are_that_contract(known: Contract) -> None:
    assert contract_for(known.names, known.model_type) is known


def test_other_features_are_a_contract_of_their_own_named_by_its_hash() -> None:
    own = contract_for(["flag", "duration", "serror_rate", "count"], "threat_detector")
    assert own.id == f"threat/{own.hash[:8]}" and own.names == ("flag", "duration", "serror_rate", "count")
    assert [feature.category for feature in own.features] == [True, False, False, False]
    assert [feature.maximum for feature in own.features] == [np.inf, np.inf, 1.0, np.inf]
    assert own.infinite == "reject"
    other_order = contract_for(["duration", "flag", "serror_rate", "count"], "threat_detector")
    assert other_order.hash != own.hash


def test_a_known_feature_keeps_its_range_and_column_in_an_own_contract() -> None:
    own = contract_for([" Destination Port", "Init_Win_bytes_forward", "Fwd Packets/s"], "attack_classifier")
    assert own.id.startswith("attack/") and own.infinite == "zero"
    assert [(f.column, f.minimum, f.maximum) for f in own.features] == [
        ("destination_port", 0, 65535),
        ("init_win_bytes_forward", -1, np.inf),
        ("fwd_packets_per_s", 0, np.inf),
    ]


@pytest.mark.parametrize("names", [[], ["count", "count"]])
def test_a_model_needs_each_feature_once(names: list[str]) -> None:
    with pytest.raises(ContractError, match="each of them once"):
        contract_for(names, "threat_detector")


def test_an_unknown_feature_is_refused_by_its_name_and_told_how_to_be_declared() -> None:
    with pytest.raises(ContractError, match=r'"payload_entropy".*"feature_definitions"') as refused:
        contract_for(["count", "payload_entropy"], "threat_detector")
    assert '"count"' not in str(refused.value)


def test_a_name_that_lacks_its_leading_space_is_told_how_it_is_spelled() -> None:
    with pytest.raises(ContractError, match='"Destination Port" is spelled " Destination Port"'):
        contract_for(["Destination Port"], "attack_classifier")


def test_a_declared_feature_has_what_its_maker_says_and_a_column_that_no_other_has() -> None:
    declared = declared_features({"payload_entropy": ENTROPY, "Payload Kind": {"type": "category", "meaning": "text"}})
    own = contract_for(["count", "payload_entropy", "Payload Kind"], "threat_detector", declared)
    entropy, kind = own.features[1:]
    assert (entropy.column, entropy.minimum, entropy.maximum) == ("feature_payload_entropy", 0, 8)
    assert (entropy.unit, entropy.meaning, entropy.category) == ("bits", "Entropy of a byte of payload", False)
    assert kind.category and kind.column.startswith("feature_payload_kind_")
    assert parse_contract(contract_document(own)) == own and is_readable(own)


@pytest.mark.parametrize(
    ("name", "definition", "told"),
    [
        ("x", [], "no object"),
        ("x", ENTROPY | {"type": "float"}, "number or category"),
        ("x", {"type": "number", "meaning": "no range"}, "minimum"),
        ("x", ENTROPY | {"minimum": float("nan")}, "a number is needed"),
        ("x", ENTROPY | {"minimum": True}, "a number is needed"),
        ("x", ENTROPY | {"minimum": 9}, "in which no value lies"),
        ("x", {"type": "number", "minimum": 0}, "meaning"),
        ("x", ENTROPY | {"meaning": "m" * 501}, "up to 500"),
        ('x"', ENTROPY, "quotation marks"),
        ("", ENTROPY, "1 to 128"),
        ("x\n", ENTROPY, "printable"),
        ("SRC_BYTES", ENTROPY, 'spelling of the known feature "src_bytes"'),
        ("Flow Byts/s", ENTROPY, 'spelling of the known feature "Flow Bytes/s"'),
        ("Src IP", ENTROPY, "spelling of the envelope's"),
    ],
)
def test_a_definition_that_says_too_little_or_means_something_else_is_refused(
    name: str, definition: object, told: str
) -> None:
    with pytest.raises(ContractError, match=told):
        declared_features({name: definition})


def test_two_spellings_of_one_name_are_refused() -> None:
    with pytest.raises(ContractError, match='"a_b" is a spelling of the declared feature "a b"'):
        declared_features({"a b": ENTROPY, "a_b": ENTROPY})


def test_the_catalogue_has_both_data_sets_with_a_column_for_each_feature() -> None:
    features = known_features().values()
    assert len(features) == 41 + 78
    assert len({feature.column for feature in features}) == len(features)
    assert all(feature.meaning for feature in features)
    assert {feature.name for c in wire_contracts() for feature in c.features} <= set(known_features())


def test_no_feature_can_have_a_column_of_something_else() -> None:
    wire = {feature.column for c in wire_contracts() for feature in c.features}
    others = set(verdict_schema().names) - wire
    assert not others & {feature.column for feature in known_features().values()}
    assert not [name for name in verdict_schema().names if name.startswith("feature_")]


def test_columns_come_only_at_the_end_and_for_what_is_new() -> None:
    own = contract_for(["flag", "protocol_type", "duration"], "threat_detector")
    assert verdict_schema_of(wire_contracts()) == verdict_schema()
    added = verdict_schema_of([own]).names[len(verdict_schema()) :]
    assert added == ["protocol_type", "duration", "protocol_type_category"]


def test_contracts_in_force_are_the_shipped_ones_and_each_other_one_once() -> None:
    own = contract_for(["duration"], "threat_detector")
    in_force = contracts_in_force([own, wire_contracts()[0], own])
    assert in_force == (*wire_contracts(), own)


def test_a_contract_of_undescribed_features_cannot_be_read() -> None:
    own = contract_for(["duration"], "threat_detector")
    document = contract_document(own)
    document["features"][0] |= {"name": "age", "column": "topic"}
    assert not is_readable(parse_contract(document))
