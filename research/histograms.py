"""How a model's training rows were distributed, and what its served form answers to rows that were held out."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.served import ServedBundle
from netheal.bundles.training_histograms import (
    TrainingHistograms,
    class_names,
    learn_features,
    learn_histogram,
)
from netheal.contracts import attack_classes
from netheal.contracts.verdict import is_attack_score
from netheal.scoring.model import ServedModel
from research.datasets import Rows


def training_histograms(bundle: ServedBundle, seen: Rows, held: Rows) -> TrainingHistograms:
    """Of the rows that the bundle's model was trained on, and of its answers to those held out.

    The served form answers, whose scores have the same bits in the stream: many lie on the edge of a bin.
    """
    scores, answers = _answers(ServedModel(bundle), held.values)
    said = Counter(answers)
    return TrainingHistograms(
        learn_features(seen.values, bundle.contract),
        learn_histogram(scores),
        {name: said[name] for name in class_names(bundle.manifest)},
    )


def _answers(model: ServedModel, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Scores or confidences of unscaled rows, [N], and the names of the answers."""
    if model.bundle.manifest.model_type == "threat_detector":
        scores = model.threat_scores(rows)
        return scores, np.where(is_attack_score(scores, model.threshold), "attack", "normal").tolist()
    answers = model.attack_scores(rows)
    return answers.confidence, np.array(attack_classes().names)[answers.class_id].tolist()
