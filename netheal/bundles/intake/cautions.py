"""What a person should know of an accepted bundle before it is served."""

import re

import numpy as np

from netheal.bundles.intake.layouts import Parts
from netheal.bundles.parity import Answers
from netheal.bundles.served import Manifest
from netheal.contracts import Contract, attack_classes, wire_contracts

_KNOWN_VERSIONS = range(3, 10)
"""The minor versions of scikit-learn 1 whose files are among the tests."""


def cautions(parts: Parts, contract: Contract, manifest: Manifest, answers: Answers) -> list[str]:
    """Warnings, most important first; `answers` are the served graph's on usual rows."""
    found = [
        *_of_answers(parts, answers),
        *_of_preprocessing(parts, contract),
        *_of_features(contract),
        *_of_classes(parts),
        *_of_versions(parts, manifest),
    ]
    return [sentence[:500] for sentence in found]


def _of_answers(parts: Parts, answers: Answers) -> list[str]:
    said = answers["score"] >= parts.threshold if "score" in answers else answers["label"]
    if len(np.unique(said)) > 1:
        return []
    return ["it gives all made-up rows the same class: try it on real rows before it is activated"]


def _of_preprocessing(parts: Parts, contract: Contract) -> list[str]:
    found = []
    if parts.scaler.kind is None:
        found.append("it has no scaler: it is served on features as they come")
    bare = [feature.name for feature in contract.features if feature.category and feature.name not in parts.encoders]
    if bare:
        found.append(f"it has no encoder for {', '.join(bare)}: rows must carry codes, texts cannot be scored")
    return found


def _of_features(contract: Contract) -> list[str]:
    if any(contract.hash == known.hash for known in wire_contracts()):
        return []
    return [f"its features are a contract of its own, {contract.id}: only rows that carry all of them are scored"]


def _of_classes(parts: Parts) -> list[str]:
    if not parts.classes or attack_classes().canonical(parts.classes[0]) is None or len(parts.classes) < 3:
        return []
    known = {attack_classes().canonical(name) for name in parts.classes}
    missing = [name for name in attack_classes().names if name not in known]
    return [f"it never says {', '.join(missing)}: it was not trained on them"] if missing else []


def _of_versions(parts: Parts, manifest: Manifest) -> list[str]:
    found = []
    minor = re.match(r"scikit-learn 1\.(\d+)", parts.written_by or "scikit-learn 1.9")
    if minor is None or int(minor[1]) not in _KNOWN_VERSIONS:
        found.append(f"it was written by {parts.written_by}, whose files were never tried here: look at its parity")
    if parts.version is not None and parts.version != manifest.version:
        found.append(f"the file calls itself {parts.version!r} and is stored as {manifest.version!r}")
    return found
