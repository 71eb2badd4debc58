"""The shipped policy, decision by decision, and what a malformed one is answered."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netheal.contracts import attack_classes
from netheal.errors import ContractError
from netheal.healing.policy import Policy, Rule, parse_policy, read_policy

Document = dict[str, Any]

RESTARTED = ("DDoS", "DoS Hulk", "DoS slowloris", "DoS Slowhttptest", "DoS GoldenEye")
BLOCKED = ("FTP-Patator", "SSH-Patator")
REPORTED = (
    *("PortScan", "Bot", "Infiltration"),
    *("Web Attack – Brute Force", "Web Attack – XSS", "Web Attack – Sql Injection"),
)


@pytest.fixture(scope="module")
def document(root: Path) -> Document:
    return json.loads((root / "conf" / "healing_policy.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def policy(document: Document) -> Policy:
    return parse_policy(document)


def decided(policy: Policy, name: str | None, threat_attack: bool = False, source: str | None = "192.0.2.7") -> Rule:
    class_id = -1 if name is None else attack_classes().id_of(name)
    arrays = np.array([class_id], np.int16), np.array([threat_attack]), pa.array([source], pa.string())
    return policy.rules[policy.decide(*arrays).rule[0]]


CASES = [
    *((name, "restart_service") for name in RESTARTED),
    *((name, "block_ip") for name in BLOCKED),
    *((name, "alert_admin") for name in REPORTED),
    ("BENIGN", "log_only"),
]


def test_the_cases_are_all_fourteen_classes() -> None:
    assert sorted(name for name, _ in CASES) == sorted(attack_classes().names)


@pytest.mark.parametrize("threat_attack", [False, True])
@pytest.mark.parametrize(("name", "action_type"), CASES[:-1])
def test_the_class_of_an_attack_decides(policy: Policy, name: str, action_type: str, threat_attack: bool) -> None:
    assert decided(policy, name, threat_attack).action_type == action_type


@pytest.mark.parametrize(
    ("name", "threat_attack", "action_type"),
    [
        ("BENIGN", False, "log_only"),
        ("BENIGN", True, "alert_admin"),
        (None, True, "alert_admin"),
        (None, False, "log_only"),
    ],
)
@pytest.mark.parametrize("source", [None, "192.0.2.7"])
def test_without_an_attack_class_the_threat_detector_decides(
    policy: Policy, name: str | None, threat_attack: bool, action_type: str, source: str | None
) -> None:
    assert decided(policy, name, threat_attack, source).action_type == action_type


@pytest.mark.parametrize("name", RESTARTED)
def test_a_flood_restarts_the_web_server(policy: Policy, name: str) -> None:
    rule = decided(policy, name, source=None)
    assert rule.fill(None) == {"service": "apache2"}
    assert rule.describe(None) == "Restarting service: apache2"


@pytest.mark.parametrize("name", BLOCKED)
def test_a_password_guesser_is_blocked_by_its_address(policy: Policy, name: str) -> None:
    rule = decided(policy, name)
    assert rule.fill("192.0.2.7") == {"ip": "192.0.2.7"}
    assert rule.describe("192.0.2.7") == "Blocking address: 192.0.2.7"


@pytest.mark.parametrize("source", [None, "", "$(touch /x);10.0.0.1 -j ACCEPT", "127.0.0.1", "0.0.0.0/0"])
@pytest.mark.parametrize("name", BLOCKED)
def test_nobody_is_blocked_where_no_host_is_known(policy: Policy, name: str, source: str | None) -> None:
    rule = decided(policy, name, source=source)
    assert (rule.action_type, rule.params) == ("alert_admin", {"reason": "no_target"})


def test_rows_are_decided_one_by_one(policy: Policy) -> None:
    ids = np.array([-1, -1, *range(len(attack_classes().names))] * 4, np.int16)
    attack = np.arange(len(ids)) % 2 == 0
    source = pa.array([("192.0.2.7", None, "::ffff:192.0.2.8", "nobody")[at // 3 % 4] for at in range(len(ids))])
    together = policy.decide(ids, attack, source)
    targets = dict(zip(together.aimed.tolist(), together.targets, strict=True))
    for at in range(len(ids)):
        alone = policy.decide(ids[at : at + 1], attack[at : at + 1], source.slice(at, 1))
        assert together.rule[at] == alone.rule[0]
        assert alone.targets == ([targets[at]] if at in targets else [])
        assert policy.rules[together.rule[at]].needs_target == (at in targets)
    assert set(targets.values()) == {"192.0.2.7", "192.0.2.8"}


def test_a_policys_version_changes_with_what_it_says_only(document: Document, policy: Policy) -> None:
    assert parse_policy(document | {"description": "other words"}).version == policy.version
    assert parse_policy(json.loads(json.dumps(document, sort_keys=True))).version == policy.version
    changed = copy.deepcopy(document)
    changed["classes"]["Bot"]["description"] = "other words"
    assert parse_policy(changed).version != policy.version


MISTAKES: list[tuple[Callable[[Document], Any], str]] = [
    (lambda d: d.pop("classes"), "healing policy: it must be an object with the object `classes` in it"),
    (lambda d: d.update(classes=[]), "healing policy: it must be an object with the object `classes` in it"),
    (lambda d: d["classes"].pop("Bot"), "healing policy: 'Bot' has no action"),
    (lambda d: d.pop("no_target"), "healing policy: 'no_target' has no action"),
    (lambda d: d["classes"].update(Boot={}), "healing policy: no such class: Boot"),
    (lambda d: d["classes"].update(Bot="alert"), "healing policy: 'Bot': Expected `object`, got `str`"),
    (
        lambda d: d["classes"]["Bot"].pop("params"),
        "healing policy: 'Bot': Object missing required field `params`",
    ),
    (
        lambda d: d["classes"]["Bot"].update(params={"minutes": 5}),
        "healing policy: 'Bot': Expected `str`, got `int` - at `$.params[...]`",
    ),
    (
        lambda d: d["threat_attack"].update(action_type="reboot"),
        "healing policy: 'reboot' is none of log_only, alert_admin, block_ip, restart_service",
    ),
    (
        lambda d: d["classes"]["Bot"].update(description="Seen at {src_ip}"),
        "healing policy: 'Bot': only block_ip knows {src_ip}",
    ),
    (
        lambda d: d["no_target"].update(action_type="block_ip"),
        "healing policy: no_target must be an action that needs no address",
    ),
]


@pytest.mark.parametrize(("spoil", "sentence"), MISTAKES, ids=[sentence[16:50] for _, sentence in MISTAKES])
def test_a_mistake_in_the_policy_is_one_clear_sentence(
    document: Document, spoil: Callable[[Document], Any], sentence: str
) -> None:
    spoiled = copy.deepcopy(document)
    spoil(spoiled)
    with pytest.raises(ContractError) as refused:
        parse_policy(spoiled)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("text", [None, "", "{", "[]", "\xff"])
def test_a_file_that_is_no_policy_is_one_clear_sentence(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "policy.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ContractError, match=r"healing policy") as refused:
        read_policy(path)
    assert "\n" not in str(refused.value)
