"""A served bundle as a model to measure: its own graph answers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.served import ServedBundle
from netheal.contracts import attack_classes
from netheal.contracts.verdict import is_attack_score
from netheal.scoring.model import ServedModel
from research.connections import NORMAL
from research.detectors import ATTACK


@dataclass(frozen=True)
class ServedVoter:
    """A `Voter` over unscaled rows of the bundle's contract."""

    bundle: ServedBundle

    @cached_property
    def _model(self) -> ServedModel:
        return ServedModel(self.bundle)

    @property
    def benign(self) -> str:
        return NORMAL if self.bundle.manifest.classes is None else attack_classes().benign

    @property
    def answer_count(self) -> int:
        return len(self.bundle.manifest.classes or (NORMAL, ATTACK))

    def answers(self, values: NDArray[np.float64]) -> NDArray[np.object_]:
        if self.bundle.manifest.classes is not None:
            return np.array(attack_classes().names, dtype=object)[self._model.attack_scores(values).class_id]
        attack = is_attack_score(self._model.threat_scores(values), self._model.threshold)
        return np.array([NORMAL, ATTACK], dtype=object)[attack.astype(np.int64)]

    def largest_shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.bundle.manifest.classes is not None:
            return self._model.attack_scores(values).confidence
        scores = self._model.threat_scores(values)
        return np.maximum(scores, 1.0 - scores)
