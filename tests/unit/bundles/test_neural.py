from typing import Any

import numpy as np
import pytest

from netheal.bundles.neural import Network, ensemble_onnx
from netheal.bundles.parity import run_graph
from netheal.bundles.scaling import Scaling, standard
from netheal.errors import BundleError

RNG = np.random.default_rng(11)
ROWS = RNG.normal(size=(300, 4)) * 3


def layer(kind: str, **config: object) -> dict[str, object]:
    return {"class_name": kind, "config": config}


def weights(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [RNG.normal(size=shape).astype(np.float32) for shape in shapes]


def sigmoid(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))


INPUT = layer("InputLayer", batch_shape=[None, 4])
OUTPUT = layer("Dense", units=1, activation="sigmoid")
ANN = Network(
    {"layers": [INPUT, layer("Dense", units=6, activation="relu"), layer("Dropout", rate=0.5), OUTPUT]},
    weights((4, 6), (6,), (6, 1), (1,)),
)
LSTM = Network(
    {"layers": [layer("InputLayer", batch_shape=[None, 2, 2]), layer("LSTM", units=5), OUTPUT]},
    weights((2, 20), (5, 20), (20,), (5, 1), (1,)),
)


def score(*networks: Network, scaling: Scaling | None = None) -> np.ndarray:
    return run_graph(ensemble_onnx(networks, 4, scaling or Scaling()), ROWS)["score"]


def ann_by_hand(rows: np.ndarray) -> np.ndarray:
    kernel, bias, out, last = (np.asarray(array, dtype=np.float64) for array in ANN.weights)
    return sigmoid(np.maximum(rows @ kernel + bias, 0) @ out + last)[:, 0]


def lstm_by_hand(rows: np.ndarray) -> np.ndarray:
    kernel, recurrent, bias, out, last = (np.asarray(array, dtype=np.float64) for array in LSTM.weights)
    hidden = cell = np.zeros((len(rows), 5))
    for step in range(2):
        gates = rows.reshape(-1, 2, 2)[:, step] @ kernel + hidden @ recurrent + bias
        enter, forget, candidate, leave = np.split(gates, 4, axis=1)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
    return sigmoid(hidden @ out + last)[:, 0]


def test_a_dense_network_computes_what_its_formula_says() -> None:
    assert score(ANN).dtype == np.float64
    assert np.abs(score(ANN) - ann_by_hand(ROWS)).max() < 1e-6


def test_an_lstm_over_several_steps_computes_what_its_formula_says() -> None:
    assert np.abs(score(LSTM) - lstm_by_hand(ROWS)).max() < 1e-6


def test_the_score_is_the_mean_of_both_networks_over_scaled_rows() -> None:
    mean, scale = np.array([1.0, 2, 3, 4]), np.array([2.0, 0.5, 1, 3])
    rows = (ROWS - mean) / scale
    expected = (ann_by_hand(rows) + lstm_by_hand(rows)) / 2
    assert np.abs(score(ANN, LSTM, scaling=standard(mean, scale)) - expected).max() < 1e-6


def test_batch_normalisation_and_clipping_compute_what_their_formulas_say() -> None:
    gamma, beta, mean, kernel = weights((4,), (4,), (4,), (4, 1))
    variance = np.abs(weights((4,))[0])
    layers = [
        INPUT,
        layer("Rescaling", scale=0.25, offset=0.0),
        layer("Activation", activation="hard_tanh"),
        layer("BatchNormalization", axis=-1, epsilon=0.01),
        layer("Dense", units=1, activation="sigmoid", use_bias=False),
    ]
    clipped = np.clip(ROWS / 4, -1, 1)
    normal = (clipped - mean) / np.sqrt(variance + 0.01) * gamma + beta
    network = Network({"layers": layers}, [gamma, beta, mean, variance, kernel])
    assert np.abs(score(network) - sigmoid(normal @ kernel)[:, 0]).max() < 1e-6


def test_the_same_networks_give_the_same_bytes() -> None:
    assert ensemble_onnx([ANN, LSTM], 4, Scaling()) == ensemble_onnx([ANN, LSTM], 4, Scaling())


@pytest.mark.parametrize(
    ("layers", "arrays", "message"),
    [
        ([INPUT, OUTPUT], [], "no weights left"),
        ([INPUT, OUTPUT], weights((4, 2), (1,)), "shape"),
        ([INPUT, OUTPUT], weights((4, 1), (1,), (1,)), "belong to no layer"),
        ([INPUT, OUTPUT], [np.full((4, 1), np.nan), np.zeros(1)], "not finite"),
        ([INPUT, layer("Lambda", function="x")], [], "Lambda is not one"),
        ([INPUT, layer("Dense", units=1, activation="mine")], weights((4, 1), (1,)), '"mine" is not one'),
        ([INPUT, layer("Dense", units=1, activation="linear")], weights((4, 1), (1,)), "sigmoid score"),
        ([INPUT, layer("Dense", units=2, activation="sigmoid")], weights((4, 2), (2,)), "sigmoid score"),
        ([INPUT, layer("Dense", units=1, dtype="float16")], [], "float16"),
        ([INPUT, layer("Dense", activation="relu")], [], "cannot be read"),
        (
            [layer("InputLayer", batch_shape=[None, 5]), OUTPUT],
            weights((5, 1), (1,)),
            "cannot take the shape",
        ),
        ([layer("InputLayer", batch_shape=[None, None, 4]), OUTPUT], [], "open shape"),
        ("none", [], "lists no layers"),
    ],
)
def test_a_network_that_cannot_be_served_is_refused(layers: object, arrays: list[Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        ensemble_onnx([Network({"layers": layers}, arrays)], 4, Scaling())


def test_a_branch_that_leads_nowhere_is_refused() -> None:
    def after(name: str, parent: str) -> dict[str, object]:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [parent, 0, 0]}}
        node = [{"args": [tensor], "kwargs": {}}]
        return {"class_name": "Dense", "name": name, "config": {"units": 4}, "inbound_nodes": node}

    start = {"class_name": "InputLayer", "name": "in", "config": {}, "inbound_nodes": []}
    with pytest.raises(BundleError, match="does not lead to its output"):
        config = {"layers": [start, after("a", "in"), after("b", "in")]}
        ensemble_onnx([Network(config, [])], 4, Scaling())
