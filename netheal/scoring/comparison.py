"""Two models' answers to the same rows, side by side."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netheal.contracts.verdict import is_attack_score
from netheal.scoring.model import FloatArray, ServedModel

LIMIT_S = 3.0
_BLOCK_ROWS = 256
Answers = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Comparison:
    """Of `rows` rows that both models took, `differing` got another class or another yes or no."""

    rows: int
    differing: int


def count_differing(
    model: ServedModel, other: ServedModel, rows: FloatArray, other_rows: FloatArray, limit_s: float = LIMIT_S
) -> Comparison:
    """Both models on the same rows, each in its own features; as many rows as `limit_s` of computing is enough for.

    Raises ModelFailure where one fails.
    """
    begun_s, done, differing = time.process_time(), 0, 0
    while done < len(rows) and (not done or time.process_time() - begun_s < limit_s):
        block = slice(done, done + _BLOCK_ROWS)
        differing += int((_answers(model, rows[block]) != _answers(other, other_rows[block])).sum())
        done += len(rows[block])
    return Comparison(done, differing)


def _answers(model: ServedModel, features: FloatArray) -> Answers:
    if model.bundle.manifest.model_type == "threat_detector":
        return is_attack_score(model.threat_scores(features), model.threshold).astype(np.int16)
    return model.attack_scores(features).class_id
