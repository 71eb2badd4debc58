"""The healing policy: which action answers which verdict. Pure: deciding here, doing elsewhere."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts import attack_classes
from netheal.contracts.verdict import NO_CLASS, is_attack_class
from netheal.errors import ContractError
from netheal.healing.targets import host_targets

ACTION_TYPES = ("log_only", "alert_admin", "block_ip", "restart_service")
_TARGET = "{src_ip}"


@dataclass(frozen=True)
class Rule:
    """One answer; `{src_ip}` in the description or a parameter stands for the attacking address."""

    action_type: str
    description: str
    params: dict[str, str]

    @property
    def needs_target(self) -> bool:
        """Whether the action is about an address."""
        return self.action_type == "block_ip"

    def describe(self, src_ip: str | None) -> str:
        """The description for this address."""
        return self.description.replace(_TARGET, src_ip or "")

    def fill(self, src_ip: str | None) -> dict[str, str]:
        """The parameters for this address."""
        return {key: value.replace(_TARGET, src_ip or "") for key, value in self.params.items()}


@dataclass(frozen=True)
class Decisions:
    """`rule` int16 [n]: each row's rule, an index into the policy's. `aimed` int64 [k]: the rows whose action is
    about an address, `targets` [k]: these addresses, in canonical text."""

    rule: npt.NDArray[np.int16]
    aimed: npt.NDArray[np.int64]
    targets: list[str]


@dataclass(frozen=True)
class Policy:
    """Rules in a fixed order: one a class by class id, then threat_normal, threat_attack, no_target."""

    rules: tuple[Rule, ...]
    version: str

    @cached_property
    def _needs_target(self) -> npt.NDArray[np.bool_]:
        return np.array([rule.needs_target for rule in self.rules])

    def decide(
        self,
        class_id: npt.NDArray[np.int16],
        threat_attack: npt.NDArray[np.bool_],
        src_ip: pa.Array,
    ) -> Decisions:
        """The rule of each of n rows.

        `class_id`: NO_CLASS where the row has none. `threat_attack`: the threat detector calls it an attack.
        `src_ip`: strings as the sensors wrote them, or null. A class other than the benign one decides; else the
        threat detector does. An action that needs an address becomes the `no_target` rule where `src_ip` is not
        one host (see `targets.host_target`).
        """
        classes = len(attack_classes().names)
        rule = np.where(class_id != NO_CLASS, class_id, classes).astype(np.int16)
        rule[threat_attack & ~is_attack_class(class_id)] = classes + 1
        wanting = np.flatnonzero(self._needs_target[rule])
        targets = host_targets(src_ip.take(pa.array(wanting)))
        found = np.array([target is not None for target in targets], bool)
        rule[wanting[~found]] = classes + 2
        return Decisions(rule, wanting[found], [target for target in targets if target is not None])


def parse_policy(document: dict[str, Any]) -> Policy:
    """A policy from its JSON document; raises ContractError where a class is left out or an action unknown."""
    names = attack_classes().names
    if not isinstance(document, dict) or not isinstance(document.get("classes"), dict):
        raise ContractError("healing policy: it must be an object with the object `classes` in it")
    unknown = sorted(set(document["classes"]) - set(names))
    if unknown:
        raise ContractError(f"healing policy: no such class: {', '.join(unknown)}")
    entries = {name: document["classes"].get(name) for name in names}
    entries |= {key: document.get(key) for key in ("threat_normal", "threat_attack", "no_target")}
    rules = {answered: _parse_rule(answered, entry) for answered, entry in entries.items()}
    if rules["no_target"].needs_target:
        raise ContractError("healing policy: no_target must be an action that needs no address")
    canonical = json.dumps({k: v for k, v in document.items() if k != "description"}, sort_keys=True)
    return Policy(tuple(rules.values()), hashlib.sha256(canonical.encode()).hexdigest()[:12])


def _parse_rule(answered: str, entry: Any) -> Rule:
    if entry is None:
        raise ContractError(f"healing policy: {answered!r} has no action")
    try:
        rule = msgspec.convert(entry, Rule)
    except msgspec.ValidationError as error:
        raise ContractError(f"healing policy: {answered!r}: {error}") from error
    if rule.action_type not in ACTION_TYPES:
        raise ContractError(f"healing policy: {rule.action_type!r} is none of {', '.join(ACTION_TYPES)}")
    if not rule.needs_target and any(_TARGET in text for text in (rule.description, *rule.params.values())):
        raise ContractError(f"healing policy: {answered!r}: only block_ip knows {_TARGET}")
    return rule


def read_document(path: Path) -> dict[str, Any]:
    """The policy document in a JSON file, which parses; raises ContractError with what is wrong and where."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ContractError(f"cannot read the healing policy {path}: {error}") from error
    parse_policy(document)
    return dict(document)


def read_policy(path: Path) -> Policy:
    """The policy in a JSON file; raises as `read_document`."""
    return parse_policy(read_document(path))
