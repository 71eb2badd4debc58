"""A served bundle, loaded: checked rows in, scores or classes out."""

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from netheal.bundles.inference import GRAPH_FAILURES, GraphSession
from netheal.bundles.served import ServedBundle
from netheal.bundles.training_histograms import TrainingHistograms, histograms_of
from netheal.bundles.training_ranges import TrainingRanges, parse_ranges
from netheal.contracts import attack_classes
from netheal.contracts.verdict import DEFAULT_THRESHOLD, is_novel, novelty
from netheal.errors import ModelFailure

FloatArray = npt.NDArray[np.float64]
_LOADING = threading.Lock()
"""A large graph that several threads load at once would be in memory as often."""


@dataclass(frozen=True)
class AttackScores:
    """`class_id` int16 [n], ids of the contract's classes; `confidence` double [n], in [0, 1]."""

    class_id: npt.NDArray[np.int16]
    confidence: FloatArray


@dataclass(frozen=True)
class Novelty:
    """`value` double [n] in [0, 1]; `is_novel` [n], None where the bundle has no limit."""

    value: FloatArray
    is_novel: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class ServedModel:
    """One model in memory; thread-safe, one thread a call."""

    bundle: ServedBundle
    _sessions: list[GraphSession] = field(default_factory=list, init=False, repr=False, compare=False)
    """The graph, once it was needed."""

    @property
    def _session(self) -> GraphSession:
        if not self._sessions:
            with _LOADING:
                if not self._sessions:
                    self._sessions.append(GraphSession(self.bundle.onnx))
        return self._sessions[0]

    @cached_property
    def _class_ids(self) -> npt.NDArray[np.int16]:
        names = self.bundle.manifest.classes or []
        return np.array([attack_classes().id_of(name) for name in names], dtype=np.int16)

    @cached_property
    def encoders(self) -> dict[str, dict[str, float]]:
        """Category feature -> string -> code."""
        lists = self.bundle.manifest.encoders
        return {name: {text: float(code) for code, text in enumerate(known)} for name, known in lists.items()}

    @cached_property
    def _ranges(self) -> TrainingRanges | None:
        document = self.bundle.manifest.training_ranges
        return None if document is None else parse_ranges(document, self.bundle.contract)

    @cached_property
    def histograms(self) -> TrainingHistograms | None:
        """How the training rows were distributed; None where the bundle does not say."""
        return histograms_of(self.bundle.manifest)

    @property
    def threshold(self) -> float:
        """The score at or above which a row is an attack."""
        threshold = self.bundle.manifest.threshold
        return DEFAULT_THRESHOLD if threshold is None else threshold

    def threat_scores(self, features: FloatArray) -> FloatArray:
        """Scores in [0, 1], double [n], for features double [n, n_features] in contract order, unscaled.

        A score's bits do not depend on how many rows came with it. Raises ModelFailure where the model fails or
        gives NaN.
        """
        (scores,) = self._run(["score"], features)
        if not ((scores >= 0) & (scores <= 1)).all():
            raise self._failure("gave a score outside [0, 1] or NaN")
        return scores.astype(np.float64)

    def attack_scores(self, features: FloatArray) -> AttackScores:
        """Classes and confidences for features as in `threat_scores`; raises ModelFailure likewise."""
        label, confidence = self._run(["label", "confidence"], features)
        if not ((label >= 0) & (label < len(self._class_ids))).all():
            raise self._failure("gave a class that is none of its own")
        if not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():
            raise self._failure("gave a confidence outside [0, 1] or NaN")
        return AttackScores(self._class_ids[label], np.minimum(confidence.astype(np.float64), 1.0))

    def threat_novelty(self, features: FloatArray, scores: FloatArray) -> Novelty | None:
        """How new rows are to a threat detector that gave them these scores; None where the bundle has no ranges."""
        return self._novelty(features, np.maximum(scores, 1.0 - scores), answers=2)

    def attack_novelty(self, features: FloatArray, confidence: FloatArray) -> Novelty | None:
        """The same for a classifier and its confidence."""
        return self._novelty(features, confidence, answers=len(self._class_ids))

    def _novelty(self, features: FloatArray, largest: FloatArray, answers: int) -> Novelty | None:
        if self._ranges is None:
            return None
        value = novelty(self._ranges.outside(features), largest, answers)
        limit = self._ranges.limit
        return Novelty(value, None if limit is None else is_novel(value, limit))

    def _run(self, outputs: list[str], features: FloatArray) -> list[npt.NDArray[Any]]:
        try:
            return self._session.run(outputs, features)
        except GRAPH_FAILURES as error:
            raise self._failure(f"failed: {error}") from error

    def _failure(self, what: str) -> ModelFailure:
        return ModelFailure(f"{self.bundle.manifest.version} {what}", self.bundle.hash)
