"""What a verdict means: what counts as an attack, what its score and its confidence are, how attacks share out.

Everything that counts, filters or shows verdicts goes by these definitions, and the OpenAPI document quotes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from netheal.contracts.classes import attack_classes

ATTACK = (
    "A row is an attack where the threat detector says so, or where its class is any but BENIGN;"
    " every other scored row is normal."
)
SCORE = (
    "Score of an attack, 0 to 1, by the threat detector: a vote share or a probability, as `confidence_kind` of the"
    " model says; a row that no threat detector scored has none."
)
CONFIDENCE = (
    "Confidence in the class, 0 to 1, by the attack classifier: a vote share or a probability, as"
    " `confidence_kind` of the model says; a row without a class has none."
)
CONFIDENCE_KIND = (
    "What a model's score or confidence is. `vote_share`: the share of votes of a forest's trees or of other voters, or"
    " of the training rows in a tree's leaf; it says how much the training agrees, not how likely the answer is right."
    " `probability`: what the model estimates as one. Null where the bundle does not say."
)
NOVELTY = (
    "How unlike its training a row is to the model, 0 to 1: the larger of the share of the model's features whose value"
    " lies outside the training range, and of the disagreement, which is 0 where all votes (or all probability) go to"
    " one answer and 1 where they are even. Null where the bundle has no training ranges."
)
IS_NOVEL = "Whether the novelty lies above the limit of the model's bundle; null where the bundle has none."
SHARE = (
    "Per cent of all attacks. Attacks that no class explains (the threat detector alone said so) are `unclassified`,"
    " so that the shares make up 100."
)

DEFAULT_THRESHOLD = 0.5
"""The score from which on a row is an attack, where the threat detector's bundle does not say."""
NO_CLASS = -1
"""The class id of a row without a class, where ids are numbers only."""
UNCLASSIFIED = "unclassified"

ConfidenceKind = Literal["vote_share", "probability"]
CONFIDENCE_KINDS: tuple[ConfidenceKind, ...] = get_args(ConfidenceKind)

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ClassShare:
    """Attacks of one class, or `unclassified`; `share` is per cent of all attacks."""

    name: str
    attacks: int
    share: float


@overload
def is_attack_class(class_id: int) -> bool: ...
@overload
def is_attack_class(class_id: Ids) -> Flags: ...
def is_attack_class(class_id: int | Ids) -> bool | Flags:
    """Whether a class makes its row an attack; of one row, or of an array of rows.

    >>> is_attack_class(attack_classes().id_of("DDoS")), is_attack_class(NO_CLASS)
    (True, False)
    """
    return (class_id != NO_CLASS) & (class_id != _benign_id())


@overload
def is_attack_score(score: float, threshold: float) -> bool: ...
@overload
def is_attack_score(score: npt.NDArray[np.floating[Any]], threshold: float) -> Flags: ...
def is_attack_score(score: float | npt.NDArray[np.floating[Any]], threshold: float) -> bool | Flags:
    """Whether a threat detector's score makes its row an attack; of one row, or of an array of rows.

    >>> is_attack_score(0.5, threshold=0.5)
    True
    """
    return score >= threshold


@overload
def is_attack(threat_attack: bool, class_id: int) -> bool: ...
@overload
def is_attack(threat_attack: Flags, class_id: Ids) -> Flags: ...
def is_attack(threat_attack: bool | Flags, class_id: int | Ids) -> bool | Flags:
    """`ATTACK`, of one row or of an array of rows; `threat_attack` is what the threat detector said, False without one.

    >>> is_attack(True, attack_classes().id_of("BENIGN"))
    True
    """
    return threat_attack | is_attack_class(class_id)


def novelty(outside: Doubles, largest: Doubles, answers: int) -> Doubles:
    """`NOVELTY` of rows, [n], from the share of features outside the training range and the largest share of votes.

    `answers` is how many answers share the votes: 2 for a threat detector, as many as classes for a classifier.

    >>> novelty(np.array([0.0, 0.1, 0.3]), np.array([0.5, 1.0, 0.9]), answers=2).round(6).tolist()
    [1.0, 0.1, 0.3]
    """
    disagreement = (1.0 - largest) * (answers / (answers - 1))
    return np.asarray(np.maximum(outside, disagreement.clip(0.0, 1.0)))


def is_novel(novelty: Doubles, limit: float) -> Flags:
    """`IS_NOVEL`, of rows [n] of a model with this limit."""
    return novelty > limit


def passes_minimum(value: float | None, minimum: float | None) -> bool:
    """Whether a score or a confidence passes a lower bound: a row that has none passes only where there is no bound.

    >>> passes_minimum(0.7, 0.7), passes_minimum(None, 0.0), passes_minimum(None, None)
    (True, False, True)
    """
    return minimum is None or (value is not None and value >= minimum)


def class_shares(attacks: int, classes: Mapping[str, int]) -> tuple[ClassShare, ...]:
    """`SHARE`, the largest first and the unclassified ones last. `classes`: rows by class, normal ones among them.

    >>> [(of.name, of.share) for of in class_shares(4, {"BENIGN": 9, "DDoS": 3})]
    [('DDoS', 75.0), ('unclassified', 25.0)]
    """
    named = {name: rows for name, rows in classes.items() if name != attack_classes().benign and rows}
    counted = sorted(named.items(), key=lambda item: (-item[1], item[0]))
    left = attacks - sum(named.values())
    if left > 0:
        counted.append((UNCLASSIFIED, left))
    return tuple(ClassShare(name, rows, percentage(rows, attacks) or 0.0) for name, rows in counted)


def percentage(part: int, whole: int) -> float | None:
    """Per cent, to four places; None of nothing."""
    return round(100 * part / whole, 4) if whole else None


@cache
def _benign_id() -> int:
    return attack_classes().id_of(attack_classes().benign)
