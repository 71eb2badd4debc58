"""The starter classifiers as scikit-learn has them, for programs that netheal is measured against."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

MODEL_FILE = "attack_classifier.joblib"


@dataclass(frozen=True)
class SklearnModel:
    """`columns` in the order of the features; `names` by the estimator's labels."""

    columns: list[str]
    names: dict[int, str]
    scaler: Any
    estimator: Any

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shares of the classes, [N, classes], of unscaled rows [N, n]; infinite values are 0.0."""
        finite = np.where(np.isinf(rows), 0.0, rows)
        return np.asarray(self.estimator.predict_proba(self.scaler.transform(finite)))


def load_sklearn_model(folder: Path) -> SklearnModel:
    """A starter model of this repository: our own file is the only kind that joblib may load, and only here."""
    bundle = joblib.load(folder / MODEL_FILE)
    artifacts = bundle["artifacts"]
    return SklearnModel(
        list(artifacts["feature_columns"]), artifacts["class_mapping"], artifacts["scaler"], bundle["model"]
    )
