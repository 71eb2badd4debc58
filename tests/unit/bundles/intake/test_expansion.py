"""What a small file expands to is counted, and scored in bounded memory."""

import pickle
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import EncodeError
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.tree import DecisionTreeClassifier

import netheal.bundles.graph as graph_module
from netheal.bundles.graph import MOST_ROW_BYTES, GraphBuilder
from netheal.bundles.inference import BLOCK_BYTES, BLOCK_ROWS, GraphSession
from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.neural import Network, ensemble_onnx
from netheal.bundles.scaling import Scaling
from netheal.contracts import attack_classes
from netheal.errors import BundleError
from tests.unit.bundles.intake.honest_bundles import honest


def repeated(trees: int, classes: int = 14, leaves: int = 2) -> RandomForestClassifier:
    """A forest that is one tree, `trees` times."""
    random = np.random.default_rng(2)
    rows, labels = np.abs(random.normal(size=(28 * leaves, 42))), np.arange(28 * leaves) % classes
    forest = RandomForestClassifier(1, max_leaf_nodes=leaves, random_state=0).fit(rows, labels)
    forest.estimators_ = forest.estimators_ * trees
    return forest


def examined(model: Any, classes: int = 14) -> Examined:
    layout = honest("tree").layout
    layout["label_encoder"].classes_ = np.array(attack_classes().names[:classes])
    data = pickle.dumps({**layout, "model": model, "attack_types": None})
    return examine(memoryview(data), ExaminationRequest(".pkl", "attack_classifier"))


def test_a_forest_that_makes_much_of_a_row_takes_fewer_rows_at_a_time() -> None:
    found = examined(repeated(1_500))
    assert found.bundle is not None, found.report.reason
    session = GraphSession(found.bundle.onnx)
    assert session.block_rows * 1_500 * 14 * 2 * 8 <= BLOCK_BYTES
    assert 1 <= session.block_rows < BLOCK_ROWS
    rows = np.abs(np.random.default_rng(1).normal(size=(session.block_rows + 1, 42)))
    whole = session.run(["label", "confidence"], rows)
    alone = session.run(["label", "confidence"], rows[-1:])
    assert [answers[-1:].tolist() for answers in whole] == [answers.tolist() for answers in alone]


def test_a_small_model_says_nothing_of_blocks() -> None:
    found = examined(repeated(10))
    assert found.bundle is not None
    assert GraphSession(found.bundle.onnx).block_rows == BLOCK_ROWS
    assert b"block_rows" not in found.bundle.onnx


def test_voters_whose_trees_are_counted_together_make_too_much_of_a_row() -> None:
    voters = VotingClassifier([("a", DecisionTreeClassifier())], voting="soft")
    random = np.random.default_rng(2)
    voters.fit(np.abs(random.normal(size=(28, 42))), np.arange(28) % 14)
    voters.estimators_ = [repeated(1_500)] * 4
    voters.weights = None
    assert "of every row" in examined(voters).report.reason


def test_a_tree_that_stands_in_a_file_many_times_counts_each_time() -> None:
    """A file of 100 kB whose model would hold half a billion numbers."""
    forest = repeated(2_000, leaves=600)
    assert len(pickle.dumps(forest)) < 400_000
    report = examined(forest).report
    assert "expands to more than" in report.reason
    assert [step.passed for step in report.steps[:3]] == [True, True, False]


def test_a_kernel_that_stands_in_a_file_many_times_counts_each_time() -> None:
    large = np.zeros((1024, 1024), dtype=np.float32)
    layout = {
        "artifacts": {"encoders": {}, "selected_features": ["src_bytes"], "scaler": None},
        "ann_weights": [large] * 20,
        "ann_config": {},
        "lstm_weights": [large],
        "lstm_config": {},
    }
    report = examine(memoryview(pickle.dumps(layout)), ExaminationRequest(".pkl", "threat_detector")).report
    assert "expands to more than" in report.reason


def test_a_recurrent_network_of_too_many_steps_is_refused() -> None:
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 20_000]}},
        {"class_name": "Reshape", "config": {"target_shape": [20_000, 1]}},
        {"class_name": "LSTM", "config": {"units": 16}},
        {"class_name": "Dense", "config": {"units": 1, "activation": "sigmoid"}},
    ]
    weights = [np.zeros(shape) for shape in ((1, 64), (16, 64), (64,), (16, 1), (1,))]
    with pytest.raises(BundleError, match="of every row"):
        ensemble_onnx([Network({"class_name": "Sequential", "config": {"layers": layers}}, weights)], 20_000, Scaling())


def test_the_builder_counts_all_that_is_made_of_a_row() -> None:
    graph = GraphBuilder(3)
    graph.spend(MOST_ROW_BYTES)
    with pytest.raises(BundleError, match="1024 kB of every row"):
        graph.spend(1)


def test_a_graph_of_too_many_bytes_is_refused_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "MOST_ONNX_BYTES", 2**20)
    assert "MB once it is served, and at most 1 MB are" in examined(repeated(30, leaves=600)).report.reason


def test_where_there_is_no_memory_for_the_graph_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object, **__: object) -> bytes:
        raise EncodeError("Failed to serialize proto")

    monkeypatch.setattr(onnx.ModelProto, "SerializeToString", fails)
    assert "more memory than a bundle may use" in examined(repeated(3)).report.reason
