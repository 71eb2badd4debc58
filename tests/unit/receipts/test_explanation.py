"""Why a model answers as it does: paths that its rows take, and parts that add up, for every kind of model."""

import hashlib
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.scaling import Scaling
from netheal.bundles.served import Manifest, ServedBundle
from netheal.bundles.tree import MOST_LEVELS, Tree, tree_from_arrays, tree_onnx
from netheal.contracts import ModelType, attack_classes, contract
from netheal.contracts.contract import contract_document
from netheal.healing.policy import Policy
from netheal.receipts.attribution import ORDERS, TOLERANCE, order_contributions
from netheal.receipts.conditions import Condition, merged
from netheal.receipts.explanation import Explanation, explain
from netheal.receipts.rescoring import model_input, stored_table
from netheal.receipts.served_graph import ServedGraph, UnknownGraph
from netheal.receipts.served_trees import read_trees
from netheal.scoring.model import ServedModel
from tests.own_features import own_messages, own_model
from tests.stored_verdicts import by_contract, stored_verdicts
from tests.unit.bundles.intake.honest_bundles import MODELS, honest, packed

STARTERS = ("attack_classifier", "attack_classifier_tree", "threat_detector", "threat_detector_ensemble")
Starter = Callable[[str], ServedModel]
Doubles = NDArray[np.float64]


def inputs(model: ServedModel, rows: list[dict[str, Any]]) -> list[Doubles]:
    found = [model_input(stored_table(row, by_contract([model])), model) for row in rows]
    return [matrix[0] for matrix in found if len(matrix)]


def require_complete(found: Explanation, answer: float) -> None:
    attribution = found.attribution
    assert attribution is not None and attribution.complete
    assert abs(attribution.baseline + attribution.parts.sum() - answer) <= TOLERANCE
    assert abs(attribution.answer - answer) <= TOLERANCE


@pytest.mark.parametrize("name", STARTERS)
def test_the_starters_are_explained(name: str, starter: Starter, policy: Policy) -> None:
    model = starter(name)
    rows = inputs(model, stored_verdicts([model], policy))[:12]
    methods = {"attack_classifier_tree": "tree_path", "threat_detector_ensemble": "sampled_orders"}
    for row in rows:
        found = explain(model, row)
        assert found.method == methods.get(name, "path_contributions")
        threat = model.bundle.contract.model_type == "threat_detector"
        score = model.threat_scores(row[None]) if threat else model.attack_scores(row[None]).confidence
        assert found.answer == score[0]
        if found.method != "tree_path":
            require_complete(found, float(score[0]))
        if found.votes is not None:
            assert sum(found.votes.values()) == 60
        if found.path is not None:
            assert found.path and all(
                of.holds(row[model.bundle.contract.names.index(of.feature.name)]) for of in found.path
            )


def test_whatever_keeps_to_a_path_gets_its_answer(starter: Starter, policy: Policy) -> None:
    """Values are drawn anew, and moved to the very limits of the path's conditions."""
    model, random = starter("attack_classifier_tree"), np.random.default_rng(8)
    names = model.bundle.contract.names
    for row in inputs(model, stored_verdicts([model], policy))[:10]:
        found = explain(model, row)
        assert found.path is not None
        limits = merged(found.path)
        drawn = np.repeat(random.uniform(0, 1e6, size=len(names))[None], len(limits), axis=0)
        for at, other in enumerate(drawn):
            for of in limits:
                place = names.index(of.feature.name)
                if not keeps(limits, of.feature.name, other[place]):
                    other[place] = row[place]
            own = limits[at]
            edge = own.threshold if own.operator in ("<=", ">=") else np.nextafter(own.threshold, np.inf)
            assert keeps(limits, own.feature.name, edge)
            other[names.index(own.feature.name)] = edge
        expected, answers = model.attack_scores(row[None]), model.attack_scores(drawn)
        assert (answers.class_id == expected.class_id[0]).all() and (answers.confidence == expected.confidence[0]).all()


def keeps(limits: list[Condition], name: str, value: float) -> bool:
    return all(of.holds(float(value)) for of in limits if of.feature.name == name)


def test_a_model_of_own_features_is_explained(policy: Policy) -> None:
    model = ServedModel(own_model().served)
    for row in inputs(model, stored_verdicts([model], policy, own_messages(5))):
        found = explain(model, row)
        require_complete(found, float(model.threat_scores(row[None])[0]))
        assert found.votes is not None and set(found.votes) <= {"attack", "normal"} and sum(found.votes.values()) == 5


@cache
def made(kind: str, scaler: str = "standard", model_type: ModelType = "attack_classifier") -> ServedModel:
    """A model as it was taken in."""
    suffix, data = packed(honest(kind, scaler, model_type).layout, "none")
    examined = examine(memoryview(data), ExaminationRequest(suffix, model_type))
    assert examined.bundle is not None, examined.report.reason
    return ServedModel(examined.bundle)


@pytest.mark.parametrize("model_type", ["attack_classifier", "threat_detector"])
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_every_kind_of_model_is_explained_completely(kind: str, model_type: ModelType) -> None:
    model = made(kind, model_type=model_type)
    for row in honest(kind, model_type=model_type).rows[:4]:
        found = explain(model, row)
        if found.attribution is None:
            assert kind == "tree" and found.path
            continue
        require_complete(found, found.answer)
        if found.method == "sampled_orders":
            assert found.attribution.orders == ORDERS
        assert (found.method == "sampled_orders") == (kind not in ("tree", "forest", "extra"))


@pytest.mark.parametrize("scaler", ["standard", "robust", "min_max", "max_abs", "none"])
def test_path_contributions_are_those_of_scikit_learns_trees(scaler: str) -> None:
    original, model = honest("forest", scaler), made("forest", scaler)
    forest, row = original.layout["model"], original.rows[5]
    scaled = row[None] if scaler == "none" else original.layout["scaler"].transform(row[None])
    place, parts, baseline = int(forest.predict_proba(scaled).argmax()), np.zeros(len(row)), 0.0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        share = tree.value[:, 0, place] / tree.value[:, 0, :].sum(axis=1)
        path = np.flatnonzero(estimator.decision_path(scaled.astype(np.float32)).toarray()[0])
        baseline += share[0] / len(forest.estimators_)
        for parent, child in itertools.pairwise(path):
            parts[tree.feature[parent]] += (share[child] - share[parent]) / len(forest.estimators_)
    found = explain(model, row).attribution
    assert found is not None
    np.testing.assert_allclose(found.parts, parts, atol=1e-12)
    assert abs(found.baseline - baseline) < 1e-12


@pytest.mark.parametrize("scaler", ["standard", "robust", "min_max", "max_abs", "none"])
def test_the_path_is_that_of_scikit_learns_tree(scaler: str) -> None:
    original, model = honest("tree", scaler), made("tree", scaler)
    tree, names = original.layout["model"].tree_, model.bundle.contract.names
    for row in original.rows[:20]:
        scaled = row[None] if scaler == "none" else original.layout["scaler"].transform(row[None])
        met = np.flatnonzero(tree.decision_path(scaled.astype(np.float32)).toarray()[0])[:-1]
        path = explain(model, row).path
        assert path is not None and [of.feature.name for of in path] == [names[at] for at in tree.feature[met]]
        assert all(of.value == row[names.index(of.feature.name)] and of.holds(of.value) for of in path)


def test_shares_of_a_linear_model_are_what_each_feature_adds() -> None:
    """The value of each feature alone, whatever the order: weight times difference."""
    weights, row, baseline = (
        np.array([2.0, -1.0, 0.5, 3.0]),
        np.array([1.0, 5.0, 2.0, 0.0]),
        np.array([0.0, 1.0, 2.0, 1.0]),
    )
    found = order_contributions(lambda rows: rows @ weights, row, baseline)
    np.testing.assert_allclose(found.parts, weights * (row - baseline), atol=1e-12)
    assert found.complete and found.parts[2] == 0


def test_the_same_row_is_explained_the_same_twice() -> None:
    model, row = made("mlp"), honest("mlp").rows[3]
    first, second = explain(model, row).attribution, explain(model, row).attribution
    assert first is not None and second is not None and np.array_equal(first.parts, second.parts)


def test_a_slow_model_gets_fewer_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 3.0)
    monkeypatch.setattr("netheal.receipts.attribution.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("netheal.receipts.attribution._CALL_ROWS", 1)
    found = order_contributions(lambda rows: rows.prod(axis=1), np.full(5, 2.0), np.ones(5))
    assert found.orders is not None and 2 <= found.orders < ORDERS and found.complete


def chain(depth: int) -> ServedModel:
    """A tree that is one long way: node 2i has a leaf at its left and node 2i + 2 at its right."""
    number = np.arange(2 * depth + 1)
    inner = (number % 2 == 0) & (number < 2 * depth)
    left, right = np.where(inner, number + 1, -1), np.where(inner, number + 2, -1)
    threshold = np.where(inner, number / (4.0 * depth), 0.0)
    value = np.tile([1.0, 1.0], (len(number), 1))
    value[-1] = [0.0, 1.0]
    return tree_model(tree_from_arrays(left, right, np.where(inner, number // 2 % 42, -2), threshold, value))


def tree_model(tree: Tree) -> ServedModel:
    """Served without proof: the originals of such trees would take minutes to train."""
    known, ids = contract("attack/v1"), [attack_classes().id_of(name) for name in ("BENIGN", "DDoS")]
    onnx_bytes = tree_onnx(tree, len(known.features), Scaling(), ids)
    manifest = Manifest(
        model_type="attack_classifier",
        version="decision_tree_v1_20261122",
        contract=contract_document(known),
        contract_hash=known.hash,
        onnx_sha256=hashlib.sha256(onnx_bytes).hexdigest(),
        source_sha256="0" * 64,
        classes=list(attack_classes().names),
    )
    return ServedModel(ServedBundle(manifest, onnx_bytes))


def test_a_deep_tree_is_told_in_short() -> None:
    found = explain(chain(MOST_LEVELS), np.ones(42))
    assert found.path is not None and len(found.path) == MOST_LEVELS
    assert len(merged(found.path)) == 42, "one limit a feature"


def test_a_way_that_is_too_long_to_be_read_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netheal.receipts.served_trees._MOST_STEPS", MOST_LEVELS - 1)
    found = explain(chain(MOST_LEVELS), np.ones(42))
    assert found.method == "sampled_orders"
    require_complete(found, 1.0)


def test_a_huge_tree_is_explained_by_one_path() -> None:
    """A million nodes: about as many as a served graph of that kind may have."""
    model = balanced(depth=19)
    found = explain(model, np.full(42, 0.3))
    assert found.path is not None and len(found.path) == 19


def balanced(depth: int) -> ServedModel:
    number = np.arange(2 ** (depth + 1) - 1)
    inner = number < 2**depth - 1
    left, right = np.where(inner, 2 * number + 1, -1), np.where(inner, 2 * number + 2, -1)
    value = np.stack([np.ones(len(number)), number % 7], axis=1)
    feature = np.where(inner, number % 42, -2)
    return tree_model(tree_from_arrays(left, right, feature, np.where(inner, number % 11 / 11, 0), value))


def test_a_graph_that_is_too_large_to_be_read_is_explained_by_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netheal.receipts.served_graph.MOST_GRAPH_BYTES", 1000)
    found = explain(made("forest"), honest("forest").rows[0])
    assert found.method == "sampled_orders"
    require_complete(found, found.answer)


def test_nodes_that_run_in_a_circle_are_no_tree() -> None:
    graph = onnx.load_from_string(made("tree").bundle.onnx)
    (search,) = (node for node in graph.graph.node if node.op_type == "TreeEnsembleRegressor")
    (children,) = (found for found in search.attribute if found.name == "nodes_truenodeids")
    children.ints[children.ints[0]] = 0
    inner = next(at for at, child in enumerate(children.ints) if child)
    children.ints[inner] = inner
    with pytest.raises(UnknownGraph, match="before its parent"):
        read_trees(ServedGraph(graph.SerializeToString()), 42, "label")
