"""Gradient boosting, exact or over histograms, from a file's records."""

import itertools
from typing import Any

import numpy as np

from netheal.bundles.intake.fields import Fields, state_of
from netheal.bundles.intake.limits import MOST_TREES
from netheal.bundles.intake.size import within_size
from netheal.bundles.intake.trees import histogram_tree_of, tree_of
from netheal.bundles.intake.values import ArrayRecord, Record
from netheal.bundles.probability import Boosting, Classifier, Doubles
from netheal.bundles.tree import regression_tree
from netheal.errors import BundleError
from netheal.wording import shown


def boosting_of(fields: Fields, n_features: int) -> Classifier:
    """A GradientBoostingClassifier."""
    grid = fields.need("estimators_")
    if not isinstance(grid, ArrayRecord) or grid.objects is None or len(grid.shape) != 2:
        raise BundleError("the boosting's trees are no table of rounds and outputs")
    outputs, objects = grid.shape[1], grid.objects
    _require_count(objects)
    trees = within_size(tree_of(state_of(part), n_features, regression_tree) for part in objects)
    if any(tree.value.shape[1] != 1 for tree in trees):
        raise BundleError("a tree of the boosting gives more than one value")
    loss = fields.get("loss", "log_loss")
    if loss not in ("log_loss", "deviance", "exponential"):
        raise BundleError(f"gradient boosting with loss {shown(loss)} cannot be served")
    halved = loss == "exponential"
    start = _start(fields, outputs) * (0.5 if halved else 1.0)
    return Boosting(
        tuple(itertools.batched(trees, outputs)), start, fields.number("learning_rate"), 2.0 if halved else 1.0
    )


def _start(fields: Fields, outputs: int) -> Doubles:
    """The raw values before the first tree."""
    init = fields.need("init_")
    if init == "zero":
        return np.zeros(outputs)
    if not isinstance(init, Record) or init.label != "DummyClassifier":
        raise BundleError("gradient boosting that starts from another model cannot be served")
    prior = state_of(init).numbers("class_prior_", 1)
    if len(prior) != max(2, outputs) or (prior < 0).any():
        raise BundleError("the boosting's start does not fit its outputs")
    small = float(np.finfo(np.float32).eps)
    prior = np.clip(prior, small, 1 - small)
    return np.log(prior[1:] / (1 - prior[1:])) if outputs == 1 else np.log(prior) - np.log(prior).mean()


def histogram_boosting_of(fields: Fields, n_features: int) -> Classifier:
    """A HistGradientBoostingClassifier of numerical splits; its leaves hold the learning rate already."""
    categorical = fields.get("is_categorical_")
    marked = categorical is not None and fields.numbers("is_categorical_", 1).any()
    if marked or fields.get("_preprocessor") is not None:
        raise BundleError("the boosting splits by categories, which cannot be served: train it on numbers only")
    start = fields.numbers("_baseline_prediction", 2)
    rounds = fields.need("_predictors")
    if type(rounds) is not list or any(type(trees) is not list for trees in rounds) or len(start) != 1:
        raise BundleError("the boosting's trees are no table of rounds and outputs")
    parts = [part for trees in rounds for part in trees]
    _require_count(parts)
    if any(len(trees) != start.shape[1] for trees in rounds) or start.shape[1] == 2:
        raise BundleError("the boosting's start does not fit its outputs")
    trees = within_size(histogram_tree_of(part, n_features) for part in parts)
    return Boosting(tuple(itertools.batched(trees, start.shape[1])), start[0], rate=1.0, wide=True)


def _require_count(trees: list[Any]) -> None:
    if not 0 < len(trees) <= MOST_TREES or not all(isinstance(part, Record) for part in trees):
        raise BundleError(f"a boosting of {len(trees)} trees cannot be served: at most {MOST_TREES}")
