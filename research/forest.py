"""Random forests: trained by scikit-learn, and in the form that is served."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from netheal.bundles.probability import Forest
from netheal.bundles.tree import tree_from_arrays

TREES = 60


def train_forest(
    values: NDArray[np.float64],
    labels: NDArray[Any],
    weights: NDArray[np.float64] | None,
    random_state: int,
    **limits: Any,
) -> RandomForestClassifier:
    """A forest over scaled rows [N, n]; `limits` are scikit-learn's, such as `min_samples_leaf`."""
    forest = RandomForestClassifier(TREES, random_state=random_state, n_jobs=2, **limits)
    forest.fit(values, labels, sample_weight=weights)
    forest.n_jobs = 1  # what is saved must not depend on the machine
    return forest


def served_form(forest: RandomForestClassifier) -> Forest:
    """The forest's trees as they are served."""
    inner = [tree.tree_ for tree in forest.estimators_]
    trees = [tree_from_arrays(t.children_left, t.children_right, t.feature, t.threshold, t.value) for t in inner]
    return Forest(tuple(trees))
