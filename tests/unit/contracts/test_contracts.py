"""The shipped contracts, classes and envelope are those of CONTRACTS, name by name."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from netheal.contracts import attack_classes, contract, envelope_spellings, wire_contracts
from netheal.contracts.contract import Contract, contract_document, parse_contract
from netheal.errors import ContractError

THREAT_V1 = (
    "service flag src_bytes dst_bytes count same_srv_rate diff_srv_rate dst_host_srv_count dst_host_same_srv_rate"
    " dst_host_same_src_port_rate"
)
THREAT_V2 = (
    "flag src_bytes dst_bytes count diff_srv_rate dst_host_srv_count dst_host_same_srv_rate dst_host_diff_srv_rate"
    " dst_host_same_src_port_rate dst_host_srv_diff_host_rate"
)
ATTACK_V1 = (
    " Destination Port| Flow Duration| Total Fwd Packets|Total Length of Fwd Packets| Fwd Packet Length Max"
    "| Fwd Packet Length Min|Bwd Packet Length Max| Bwd Packet Length Min|Flow Bytes/s| Flow Packets/s"
    "| Flow IAT Mean| Flow IAT Std| Flow IAT Min|Bwd IAT Total| Bwd IAT Std|Fwd PSH Flags| Bwd PSH Flags"
    "| Fwd URG Flags| Bwd URG Flags| Fwd Header Length| Bwd Header Length| Bwd Packets/s| Min Packet Length"
    "|FIN Flag Count| RST Flag Count| PSH Flag Count| ACK Flag Count| URG Flag Count| Down/Up Ratio"
    "|Fwd Avg Bytes/Bulk| Fwd Avg Packets/Bulk| Fwd Avg Bulk Rate| Bwd Avg Bytes/Bulk| Bwd Avg Packets/Bulk"
    "|Bwd Avg Bulk Rate|Init_Win_bytes_forward| Init_Win_bytes_backward| min_seg_size_forward|Active Mean"
    "| Active Std| Active Max| Idle Std"
)
CLASSES = (
    "BENIGN|DoS Hulk|DDoS|PortScan|FTP-Patator|DoS slowloris|DoS Slowhttptest|SSH-Patator|DoS GoldenEye"
    "|Web Attack – Brute Force|Bot|Web Attack – XSS|Web Attack – Sql Injection|Infiltration"
)
EACH = pytest.mark.parametrize("wire", wire_contracts(), ids=lambda wire: wire.id)


@pytest.mark.parametrize(
    ("contract_id", "names"),
    [("threat/v1", THREAT_V1.split()), ("threat/v2", THREAT_V2.split()), ("attack/v1", ATTACK_V1.split("|"))],
)
def test_names_and_order_are_exact(contract_id: str, names: list[str]) -> None:
    assert list(contract(contract_id).names) == names


def test_the_classes_are_the_fourteen_in_their_order() -> None:
    assert attack_classes().names == tuple(CLASSES.split("|"))
    assert attack_classes().benign == "BENIGN"


@EACH
def test_ranges_are_those_of_the_contract(wire: Contract) -> None:
    for feature in wire.features:
        sentinel = "Init_Win_bytes" in feature.name
        assert feature.minimum == (-1 if sentinel else 0), feature.name
        highest = 1 if feature.name.endswith("_rate") else 65535 if "Port" in feature.name else float("inf")
        assert feature.maximum == highest, feature.name
        assert feature.category == (feature.name in ("service", "flag"))


@EACH
def test_stored_columns_are_distinct_snake_case_names(wire: Contract) -> None:
    assert len(set(wire.columns)) == len(wire.columns)
    assert all(column.isidentifier() and column == column.lower() for column in wire.columns)


def test_a_name_that_two_contracts_share_has_one_meaning() -> None:
    known: dict[str, Any] = {}
    for wire in wire_contracts():
        for feature in wire.features:
            assert known.setdefault(feature.name, replace(feature, aliases=())) == replace(feature, aliases=())


def test_an_envelope_field_is_never_a_feature() -> None:
    features = {name for wire in wire_contracts() for name in wire.names}
    spellings = [name for names in envelope_spellings().values() for name in names]
    assert not features & set(spellings)
    assert len(set(spellings)) == len(spellings)


def test_the_envelope_knows_the_promised_spellings() -> None:
    promised = "event_id event_time sensor_id src_ip dst_ip src_port protocol extractor".split()
    spellings = {name for names in envelope_spellings().values() for name in names}
    assert {*promised, "Src IP", " Source IP", "Flow ID", " Timestamp"} <= spellings


@EACH
def test_a_contract_reads_back_from_its_document(wire: Contract) -> None:
    again = parse_contract(json.loads(json.dumps(contract_document(wire))))
    assert again.hash == wire.hash and again.names == wire.names and again.columns == wire.columns


CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda d: d["features"].reverse(),
    lambda d: d["features"].pop(),
    lambda d: d["features"][3].update(minimum=-1),
    lambda d: d["features"][3].update(maximum=7),
    lambda d: d["features"][3].update(category=True),
    lambda d: d["features"][3].update(name="other"),
    lambda d: d.update(infinite="reject" if d["infinite"] == "zero" else "zero"),
    lambda d: d.update(model_type="other"),
]


@EACH
@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_changes_with_anything_that_a_model_depends_on(
    wire: Contract, change: Callable[[dict[str, Any]], Any]
) -> None:
    document = copy.deepcopy(contract_document(wire))
    change(document)
    assert parse_contract(document).hash != wire.hash


@EACH
def test_the_hash_does_not_change_with_names_of_columns_and_files(wire: Contract) -> None:
    document = copy.deepcopy(contract_document(wire)) | {"id": "other/v1"}
    document["features"][0] |= {"column": "other", "aliases": ["Other"]}
    assert parse_contract(document).hash == wire.hash


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "x", "model_type": "threat_detector", "infinite": "zero", "features": 5},
        {"id": "x", "model_type": "threat_detector", "infinite": "zero", "features": [{"name": "a"}]},
        {
            "id": "x",
            "model_type": "threat_detector",
            "infinite": "zero",
            "features": [{"name": "a", "column": "a", "minimum": "low"}],
        },
    ],
)
def test_what_is_no_contract_is_one_sentence(document: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="not a feature contract"):
        parse_contract(document)


def test_an_unknown_contract_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(ContractError, match=r"'threat/v3'; known are attack/v1, threat/v1, threat/v2"):
        contract("threat/v3")


@pytest.mark.parametrize("dash", ["\u2013", "\u0096", "\ufffd", "-", "", " \u2013 ", "\u2014"])
@pytest.mark.parametrize("kind", ["Brute Force", "XSS", "Sql Injection"])
def test_a_web_attack_is_the_same_class_with_any_dash(dash: str, kind: str) -> None:
    assert attack_classes().canonical(f"Web Attack {dash} {kind}") == f"Web Attack – {kind}"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (" BENIGN ", "BENIGN"),
        ("Benign", "BENIGN"),
        ("DoS Slowloris", "DoS slowloris"),
        ("FTP-Patator", "FTP-Patator"),
        ("Heartbleed", None),
        ("", None),
        ("Web Attack", None),
    ],
)
def test_a_label_is_a_class_or_lies_outside(label: str, name: str | None) -> None:
    assert attack_classes().canonical(label) == name


def test_class_ids_are_places() -> None:
    assert [attack_classes().id_of(name) for name in attack_classes().names] == list(range(14))
