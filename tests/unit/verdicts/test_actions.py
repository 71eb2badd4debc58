"""Every scored row has its healing action, about the address in its own envelope."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest

from netheal.contracts import attack_classes, contract
from netheal.scoring.model import AttackScores, FloatArray, ServedModel
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.record_scorer import RecordScorer

MakeRecords = Callable[[Sequence[bytes | None]], pa.RecordBatch]
ROW = dict.fromkeys(contract("attack/v1").names, 0)
PATATOR = attack_classes().id_of("SSH-Patator")


@dataclass(frozen=True)
class PortNamesClass(ServedModel):
    """A model whose class is the row's destination port, so that a test says which class it wants."""

    def attack_scores(self, features: FloatArray) -> AttackScores:
        return AttackScores(features[:, 0].astype(np.int16), np.ones(len(features)))


@pytest.fixture(scope="module")
def told(scorer: RecordScorer) -> RecordScorer:
    models = {"attack/v1": PortNamesClass(scorer.scorer.models["attack/v1"].bundle)}
    return replace(scorer, scorer=replace(scorer.scorer, models=models))


def row(class_id: int, **envelope: str) -> bytes:
    return json.dumps(ROW | {" Destination Port": class_id} | envelope).encode()


def test_each_class_gets_the_action_of_the_policy(told: RecordScorer, make_records: MakeRecords) -> None:
    names = attack_classes().names
    rows = told.score(make_records([row(at, src_ip="192.0.2.1") for at in range(len(names))]), 1).verdicts.to_pylist()
    for name, verdict, rule in zip(names, rows, told.scorer.policy.rules, strict=False):
        assert verdict["attack_class"] == name
        assert verdict["action_type"] == rule.action_type
        assert verdict["action_description"] == rule.describe("192.0.2.1")
        assert json.loads(verdict["action_params"]) == rule.fill("192.0.2.1")
        assert (verdict["action_status"], verdict["policy_version"]) == ("logged", told.scorer.policy.version)


def test_a_block_is_about_the_address_of_its_own_row(told: RecordScorer, make_records: MakeRecords) -> None:
    address = "::FFFF:192.0.2.1"
    values = [row(PATATOR, src_ip="198.51.100.9"), row(PATATOR, src_ip=address), row(PATATOR), row(0, src_ip=address)]
    verdicts = told.score(make_records(values), 1).verdicts
    actions = [json.loads(message)["self_healing_action"] for message in encode_verdicts(verdicts)]
    assert [action["action_type"] for action in actions] == ["block_ip", "block_ip", "alert_admin", "log_only"]
    assert [action["action_params"] for action in actions] == [
        {"ip": "198.51.100.9"},
        {"ip": "192.0.2.1"},
        {"reason": "no_target"},
        {},
    ]
    assert actions[1]["action_description"] == "Blocking address: 192.0.2.1"
    assert verdicts["src_ip"].to_pylist() == ["198.51.100.9", address, None, address]


@pytest.mark.parametrize(
    "address",
    [
        *("$(touch /x);10.0.0.1 -j ACCEPT", "127.0.0.1", "0.0.0.0/0", "fe80::1%eth0", '"},{"ip":"', "a\0b\n\x1b"),
        *("😀", "{src_ip}", "\\", ""),
    ],
)
def test_an_address_that_is_no_host_is_told_to_a_person(
    told: RecordScorer, make_records: MakeRecords, address: str
) -> None:
    verdicts = told.score(make_records([row(PATATOR, src_ip=address), row(PATATOR, src_ip="10.0.0.1")]), 1).verdicts
    actions = [json.loads(message)["self_healing_action"] for message in encode_verdicts(verdicts)]
    assert [action["action_type"] for action in actions] == ["alert_admin", "block_ip"]
    assert [action["action_params"] for action in actions] == [{"reason": "no_target"}, {"ip": "10.0.0.1"}]
    assert actions[0]["action_description"] == "Alerting administrator: attack with no source address to block"
    assert verdicts["src_ip"].to_pylist()[0] == address


def test_many_addresses_in_one_batch(told: RecordScorer, make_records: MakeRecords) -> None:
    addresses = [f"10.0.{at // 256}.{at % 256}" for at in range(2_000)]
    verdicts = told.score(make_records([row(PATATOR, src_ip=a) for a in addresses]), 1).verdicts
    assert [json.loads(p)["ip"] for p in verdicts["action_params"].to_pylist()] == addresses
