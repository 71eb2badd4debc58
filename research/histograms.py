"""How a model's training rows were distributed, and how far other rows lie from them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.served import ServedBundle
from netheal.bundles.training_histograms import (
    Histogram,
    TrainingHistograms,
    class_names,
    learn_features,
    learn_histogram,
)
from netheal.contracts import Contract, attack_classes
from netheal.contracts.verdict import is_attack_score
from netheal.drift.counts import DriftCounts
from netheal.drift.window import DriftFigures, judge
from netheal.scoring.model import ServedModel
from research.datasets import Rows

_ONE_SCORE = Histogram(np.array([0.0, 1.0]), np.array([0, 1, 0]))
_ONE_CLASS = {"any": 1}
"""Of a model that gives each row the same answer, where only the features are looked at."""


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


def features_alone(seen: NDArray[np.float64], contract: Contract) -> TrainingHistograms:
    """Of unscaled training rows [N, n] alone, without a model's answers."""
    return TrainingHistograms(learn_features(seen, contract), _ONE_SCORE, _ONE_CLASS)


def drift_of(rows: NDArray[np.float64], histograms: TrainingHistograms) -> DriftFigures:
    """Unscaled rows [N, n], one at least, as the stream would judge a window of them by `features_alone`."""
    counts = DriftCounts.none_yet(histograms)
    counts.add_scored(rows, np.zeros(len(rows)), np.array([len(rows)]), 0)
    return judge(counts)


def drift_of_parts(seen: Rows, parts: Mapping[str, Rows], contract: Contract) -> dict[str, Any]:
    """Of each part with rows: how many, the mean PSI, its state, and the features that moved most."""
    histograms = features_alone(seen.values, contract)
    found = {name: drift_of(rows.values, histograms) for name, rows in parts.items() if len(rows)}
    return {
        name: {
            "rows": len(parts[name]),
            "mean_psi": figures.mean_psi,
            "state": figures.state,
            "features": [contract.names[at] for at in figures.at_fault],
        }
        for name, figures in found.items()
    }
