"""What a person should know of an accepted bundle before it is served."""

import re

import numpy as np

from netheal.bundles.intake.layouts import ModelParts
from netheal.bundles.parity import Answers
from netheal.bundles.served import Manifest
from netheal.contracts import Contract, attack_classes, is_wire_contract, wire_contract_ids
from netheal.contracts.verdict import is_attack_score
from netheal.wording import quoted

_KNOWN_VERSIONS = range(3, 10)
"""The minor versions of scikit-learn 1 whose files are among the tests."""


SLOW_ROWS_PER_S = 20_000
"""On one core. The rest of the stream's work takes about 30 us a row, so that a model this slow takes the most time."""


def model_warnings(
    parts: ModelParts, contract: Contract, manifest: Manifest, answers: Answers, rows_per_s: int
) -> list[str]:
    """Warnings, most important first; `answers` are the served graph's on usual rows, and `rows_per_s` its speed."""
    found = [
        *_of_features(contract),
        *_of_speed(rows_per_s),
        *_of_answers(parts, answers),
        *_of_preprocessing(parts, contract),
        *_of_classes(parts),
        *_of_versions(parts, manifest),
    ]
    return [sentence[:500] for sentence in found]


def _of_speed(rows_per_s: int) -> list[str]:
    if rows_per_s >= SLOW_ROWS_PER_S:
        return []
    return [
        f"it is slow: it scores {rows_per_s:,} rows a second on one core, and below {SLOW_ROWS_PER_S:,} the stream may"
        " fall behind: try fewer or smaller trees or layers"
    ]


def _of_answers(parts: ModelParts, answers: Answers) -> list[str]:
    said = is_attack_score(answers["score"], parts.threshold) if "score" in answers else answers["label"]
    if len(np.unique(said)) > 1:
        return []
    return ["it gives all made-up rows the same class: try it on real rows before it is activated"]


def _of_preprocessing(parts: ModelParts, contract: Contract) -> list[str]:
    found = []
    if parts.scaler.kind is None:
        found.append("it has no scaler: it is served on features as they come")
    bare = [feature.name for feature in contract.features if feature.category and feature.name not in parts.encoders]
    if bare:
        found.append(f"it has no encoder for {', '.join(bare)}: rows must carry codes, texts cannot be scored")
    return found


def _of_features(contract: Contract) -> list[str]:
    if is_wire_contract(contract.hash):
        return []
    known = ", ".join(wire_contract_ids(contract.model_type))
    return [
        f"its features are a contract of its own, {contract.id}, not {known}: it scores rows that have all of them,"
        " and while it is active no other model of its type scores any"
    ]


def _of_classes(parts: ModelParts) -> list[str]:
    named = ["its classes are named by 'class_labels' of the profile, in the order of codes: look whether that holds"]
    return [*(named if parts.named_by_profile else []), *_of_missing_classes(parts)]


def _of_missing_classes(parts: ModelParts) -> list[str]:
    if not parts.classes or attack_classes().canonical(parts.classes[0]) is None or len(parts.classes) < 3:
        return []
    known = {attack_classes().canonical(name) for name in parts.classes}
    missing = [name for name in attack_classes().names if name not in known]
    return [f"it never says {', '.join(missing)}: it was not trained on them"] if missing else []


def _of_versions(parts: ModelParts, manifest: Manifest) -> list[str]:
    found = []
    minor = re.match(r"scikit-learn 1\.(\d+)", parts.written_by or "scikit-learn 1.9")
    if minor is None or int(minor[1]) not in _KNOWN_VERSIONS:
        found.append(f"it was written by {parts.written_by}, whose files were never tried here: look at its parity")
    if parts.version is not None and parts.version != manifest.version:
        found.append(f"the file calls itself {quoted(parts.version)} and is stored as {quoted(manifest.version)}")
    return found
