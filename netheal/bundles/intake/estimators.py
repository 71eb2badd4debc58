"""Classifiers from a file's records: only arrays and plain values are used, each of them checked."""

import itertools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from netheal.bundles.intake.fields import Fields, Plain, numbers, raw_array, state_of
from netheal.bundles.intake.limits import MOST_TREES
from netheal.bundles.intake.preprocessing import require_names
from netheal.bundles.intake.values import ArrayRecord, Record, shown
from netheal.bundles.probability import Boosting, Classifier, Doubles, Forest, Layered, Voting
from netheal.bundles.tree import Tree, regression_tree, require_features, tree_from_arrays
from netheal.errors import BundleError

_DEEPEST = 3


def classifier_of(value: Any, names: list[str]) -> tuple[Classifier, list[Plain]]:
    """Any accepted classifier over these features, and its classes in its own order; raises BundleError."""
    if isinstance(value, Record):
        require_names(state_of(value), names)
    model = _classifier(value, len(names), 0)
    classes = state_of(value).plain_list("classes_")
    if len(classes) != model.n_classes or len({str(name) for name in classes}) != len(classes):
        raise BundleError(f"the model has {model.n_classes} outputs and names {len(classes)} classes")
    return model, classes


def _classifier(value: Any, n_features: int, depth: int) -> Classifier:
    kind = value.label if isinstance(value, Record) else type(value).__name__
    if kind not in _READERS or depth >= _DEEPEST:
        raise BundleError(f"the model is a {kind}: accepted are {', '.join(_READERS)}")
    return _READERS[kind](state_of(value), n_features, depth)


def _one_tree(fields: Fields, n_features: int, depth: int) -> Classifier:
    return Forest((_tree(fields, n_features, tree_from_arrays),))


def _forest(fields: Fields, n_features: int, depth: int) -> Classifier:
    trees = tuple(_tree(state_of(part), n_features, tree_from_arrays) for part in _records(fields, "estimators_"))
    if any(tree.value.shape[1] != trees[0].value.shape[1] for tree in trees):
        raise BundleError("the forest's trees know different numbers of classes")
    return Forest(trees)


def _boosting(fields: Fields, n_features: int, depth: int) -> Classifier:
    grid = fields.need("estimators_")
    if not isinstance(grid, ArrayRecord) or grid.objects is None or len(grid.shape) != 2:
        raise BundleError("the boosting's trees are no table of rounds and outputs")
    (rounds, outputs), objects = grid.shape, grid.objects
    if not 0 < len(objects) <= MOST_TREES or not all(isinstance(part, Record) for part in objects):
        raise BundleError(f"a boosting of {len(objects)} trees cannot be served: at most {MOST_TREES}")
    trees = [_tree(state_of(part), n_features, regression_tree) for part in objects]
    if any(tree.value.shape[1] != 1 for tree in trees):
        raise BundleError("a tree of the boosting gives more than one value")
    loss = fields.get("loss", "log_loss")
    if loss not in ("log_loss", "deviance", "exponential"):
        raise BundleError(f"gradient boosting with loss {shown(loss)} cannot be served")
    halved = loss == "exponential"
    start = _start(fields, outputs) * (0.5 if halved else 1.0)
    table = tuple(tuple(trees[place * outputs : (place + 1) * outputs]) for place in range(rounds))
    return Boosting(table, start, fields.number("learning_rate"), 2.0 if halved else 1.0)


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


def _logistic(fields: Fields, n_features: int, depth: int) -> Classifier:
    coefficients, intercept = fields.numbers("coef_", 2), fields.numbers("intercept_", 1)
    outputs = len(coefficients)
    if coefficients.shape != (outputs, n_features) or len(intercept) != outputs or not outputs:
        raise BundleError("the regression's coefficients do not fit its features")
    way = fields.get("multi_class", "auto")
    if outputs == 1:
        twice = 2.0 if way == "multinomial" else 1.0
        return Layered((twice * coefficients.T,), (twice * intercept,), "identity", "sigmoid")
    alone = way == "ovr" or fields.get("solver") == "liblinear"
    return Layered((coefficients.T,), (intercept,), "identity", "one_vs_rest" if alone else "softmax")


def _perceptron(fields: Fields, n_features: int, depth: int) -> Classifier:
    kernels, biases = _arrays(fields, "coefs_", 2), _arrays(fields, "intercepts_", 1)
    sides = [n_features, *(len(bias) for bias in biases)]
    if [kernel.shape for kernel in kernels] != list(itertools.pairwise(sides)):
        raise BundleError("the perceptron's weights do not fit each other or its features")
    between: dict[Any, Literal["identity", "logistic", "tanh", "relu"]] = {
        "identity": "identity",
        "logistic": "logistic",
        "tanh": "tanh",
        "relu": "relu",
    }
    hidden, output = fields.get("activation"), fields.get("out_activation_")
    if (
        type(hidden) is not str
        or hidden not in between
        or output not in ("logistic", "softmax")
        or (output == "logistic") != (sides[-1] == 1)
    ):
        raise BundleError(f"a perceptron with {shown(hidden)} inside and {shown(output)} outside cannot be served")
    return Layered(kernels, biases, between[hidden], "sigmoid" if output == "logistic" else "softmax")


def _voting(fields: Fields, n_features: int, depth: int) -> Classifier:
    if fields.get("voting") != "soft":
        raise BundleError("a VotingClassifier without voting='soft' gives no probabilities: train it with 'soft'")
    members = [_classifier(part, n_features, depth + 1) for part in _records(fields, "estimators_")]
    names = [state_of(part).plain_list("classes_") for part in _records(fields, "estimators_")]
    if any(part != list(range(members[0].n_classes)) for part in names):
        raise BundleError("the voters do not know the same classes")
    given = fields.get("weights")
    weights = [1.0] * len(members) if given is None else _weights(given)
    if len(weights) != len(members):
        raise BundleError("the voters and their weights differ in number")
    return Voting(tuple(members), tuple(weights))


def _weights(value: Any) -> list[float]:
    values = numbers(value, "weights", 1).tolist() if isinstance(value, ArrayRecord) else value
    if type(values) is not list or not all(type(item) in (int, float) and 0 <= item < 1e9 for item in values):
        raise BundleError("the voters' weights are no list of numbers")
    if not sum(values) > 0:
        raise BundleError("the voters' weights are all zero")
    return [float(item) for item in values]


def _arrays(fields: Fields, key: str, ndim: int) -> tuple[Doubles, ...]:
    values = fields.need(key)
    if type(values) is not list or not 0 < len(values) <= 64:
        raise BundleError(f"{key!r} of {fields.of} is no list of arrays")
    return tuple(numbers(value, f"{key!r} of {fields.of}", ndim) for value in values)


def _records(fields: Fields, key: str) -> list[Record]:
    values = fields.need(key)
    if type(values) is not list or not 0 < len(values) <= MOST_TREES:
        raise BundleError(f"{key!r} of {fields.of} is no list of 1 to {MOST_TREES} models")
    if not all(isinstance(value, Record) for value in values):
        raise BundleError(f"{key!r} of {fields.of} holds something that is no model")
    return values


def _tree(fields: Fields, n_features: int, make: Callable[..., Tree]) -> Tree:
    record = fields.record("tree_")
    if record.label != "Tree" or len(record.args) != 3 or record.args[0] != n_features or record.args[2] != 1:
        raise BundleError(f"a tree of the file is not one over {n_features} features with one output")
    state = state_of(record)
    nodes, count = raw_array(state.need("nodes"), "the tree's nodes"), state.get("node_count")
    wanted = {"left_child": "iu", "right_child": "iu", "feature": "iu", "threshold": "f"}
    columns: dict[str, Any] = dict(nodes.dtype.fields or {})
    if nodes.ndim != 1 or any(name not in columns or columns[name][0].kind not in wanted[name] for name in wanted):
        raise BundleError("the tree's nodes are not what scikit-learn 1.3 or later writes")
    values = state.numbers("values", 3)
    if type(count) is not int or count != len(nodes) or values.shape[:2] != (count, 1):
        raise BundleError("the tree's arrays differ in length: the file is damaged")
    tree = make(nodes["left_child"], nodes["right_child"], nodes["feature"], nodes["threshold"], values)
    require_features(tree, n_features)
    return tree


_READERS: dict[str, Callable[[Fields, int, int], Classifier]] = {
    "DecisionTreeClassifier": _one_tree,
    "ExtraTreeClassifier": _one_tree,
    "RandomForestClassifier": _forest,
    "ExtraTreesClassifier": _forest,
    "GradientBoostingClassifier": _boosting,
    "LogisticRegression": _logistic,
    "MLPClassifier": _perceptron,
    "VotingClassifier": _voting,
}
