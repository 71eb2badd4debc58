"""Classifiers from a file's records: only arrays and plain values are used, each of them checked."""

import itertools
from collections.abc import Callable
from typing import Any, Literal

from netheal.bundles.intake.boosting import boosting_of, histogram_boosting_of
from netheal.bundles.intake.fields import Fields, Plain, numbers, state_of
from netheal.bundles.intake.limits import MOST_VOTERS
from netheal.bundles.intake.preprocessing import require_names
from netheal.bundles.intake.size import within_size
from netheal.bundles.intake.trees import forest_of, one_tree_of
from netheal.bundles.intake.values import ArrayRecord, Record, described
from netheal.bundles.probability import Classifier, Doubles, Layered
from netheal.bundles.voting import HardVoting, Voting
from netheal.errors import BundleError
from netheal.wording import quoted, shown

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
    kind = value.label if isinstance(value, Record) else None
    if kind is None or kind not in _ACCEPTED or depth >= _DEEPEST:
        raise BundleError(f"the model is {described(value)}: accepted are {', '.join(_ACCEPTED)}")
    if kind == "VotingClassifier":
        return _voting(state_of(value), n_features, depth)
    return _READERS[kind](state_of(value), n_features)


def _logistic(fields: Fields, n_features: int) -> Classifier:
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


def _perceptron(fields: Fields, n_features: int) -> Classifier:
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
    way = fields.get("voting", "hard")
    if way not in ("hard", "soft"):
        raise BundleError(f"a VotingClassifier with voting={shown(way)} cannot be served")
    parts = fields.records("estimators_", MOST_VOTERS)
    members = within_size(_classifier(part, n_features, depth + 1) for part in parts)
    names = [state_of(part).plain_list("classes_") for part in parts]
    if any(part != list(range(members[0].n_classes)) for part in names):
        raise BundleError("the voters do not know the same classes")
    if any(member.n_classes != members[0].n_classes for member in members):
        raise BundleError("the voters do not know the same classes")
    given = fields.get("weights")
    weights = [1.0] * len(members) if given is None else _without_dropped(fields, _weights(given))
    if len(weights) != len(members):
        raise BundleError("the voters and their weights differ in number")
    return (Voting if way == "soft" else HardVoting)(tuple(members), tuple(weights))


def _without_dropped(fields: Fields, weights: list[float]) -> list[float]:
    """The weights of the voters that were fitted: `drop` takes a voter out, and leaves its weight."""
    voters = fields.get("estimators")
    if type(voters) is not list or len(voters) != len(weights):
        return weights
    dropped = [type(voter) is tuple and len(voter) == 2 and type(voter[1]) is str for voter in voters]
    return [weight for weight, out in zip(weights, dropped, strict=True) if not out]


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
        raise BundleError(f"{quoted(key)} of {fields.of} is no list of arrays")
    return tuple(within_size(numbers(value, f"{quoted(key)} of {fields.of}", ndim) for value in values))


_READERS: dict[str, Callable[[Fields, int], Classifier]] = {
    "DecisionTreeClassifier": one_tree_of,
    "ExtraTreeClassifier": one_tree_of,
    "RandomForestClassifier": forest_of,
    "ExtraTreesClassifier": forest_of,
    "GradientBoostingClassifier": boosting_of,
    "HistGradientBoostingClassifier": histogram_boosting_of,
    "LogisticRegression": _logistic,
    "MLPClassifier": _perceptron,
}
_ACCEPTED = (*_READERS, "VotingClassifier")
