"""Keras' recurrent layers as ONNX nodes, in float32, at inference."""

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.layers import Layer, Tensor, activation_name
from netheal.bundles.topology import Config
from netheal.bundles.weights import WeightReader
from netheal.errors import BundleError

_GATES = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "softsign": "Softsign"}


def _lstm(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    inputs, units = _inputs("an LSTM", tensor, config)
    kernel = weights.take("LSTM kernel", (inputs, 4 * units))
    recurrent = weights.take("LSTM recurrent kernel", (units, 4 * units))
    use_bias = config.get("use_bias", True)
    bias = weights.take("LSTM bias", (4 * units,)) if use_bias else np.zeros(4 * units, dtype=np.float32)
    operands = (
        graph.add("Transpose", tensor.name, perm=[1, 0, 2]),
        graph.constant(_gates(kernel, units).T[None]),
        graph.constant(_gates(recurrent, units).T[None]),
        graph.constant(np.concatenate([_gates(bias, units), np.zeros(4 * units, dtype=np.float32)])[None]),
    )
    gate, inner = _activations("an LSTM", config)
    found = graph.add_many("LSTM", operands, 2, hidden_size=units, activations=[gate, inner, inner])
    return _answer(graph, found, tensor, config)


def _gates(array: NDArray[np.float32], units: int) -> NDArray[np.float32]:
    """From Keras' order of gates (input, forget, cell, output) to ONNX' (input, output, forget, cell)."""
    gate = [array[..., place * units : (place + 1) * units] for place in range(4)]
    return np.concatenate([gate[0], gate[3], gate[1], gate[2]], axis=-1)


def _gru(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    """Keras and ONNX order a GRU's gates alike: update, reset, new."""
    inputs, units = _inputs("a GRU", tensor, config)
    after = bool(config.get("reset_after", True))
    kernel = weights.take("GRU kernel", (inputs, 3 * units))
    recurrent = weights.take("GRU recurrent kernel", (units, 3 * units))
    bias = np.zeros((2, 3 * units), dtype=np.float32)
    if config.get("use_bias", True):
        if after:
            bias = weights.take("GRU bias", (2, 3 * units))
        else:
            bias[0] = weights.take("GRU bias", (3 * units,))
    operands = (
        graph.add("Transpose", tensor.name, perm=[1, 0, 2]),
        graph.constant(kernel.T[None]),
        graph.constant(recurrent.T[None]),
        graph.constant(bias.reshape(1, -1)),
    )
    activations = list(_activations("a GRU", config))
    found = graph.add_many(
        "GRU", operands, 2, hidden_size=units, activations=activations, linear_before_reset=int(after)
    )
    return _answer(graph, found, tensor, config)


def _inputs(what: str, tensor: Tensor, config: Config) -> tuple[int, int]:
    """Inputs a step, and units; raises BundleError for options that are not served."""
    odd = [key for key in ("go_backwards", "stateful", "return_state", "time_major") if config.get(key)]
    if odd or len(tensor.shape) != 2:
        raise BundleError(f"{what} over {tensor.shape} with {odd or 'no options'} cannot be served")
    return tensor.shape[1], int(config["units"])


def _answer(graph: GraphBuilder, found: list[str], tensor: Tensor, config: Config) -> Tensor:
    """The last step's values, or every step's."""
    (every, last), units = found, int(config["units"])
    if not config.get("return_sequences"):
        return Tensor(graph.add("Squeeze", last, graph.constant(np.array([0], dtype=np.int64))), (units,))
    by_step = graph.add("Squeeze", every, graph.constant(np.array([1], dtype=np.int64)))
    return Tensor(graph.add("Transpose", by_step, perm=[1, 0, 2]), (tensor.shape[0], units))


def _activations(what: str, config: Config) -> tuple[str, str]:
    """Of the gates, and of the new values."""
    inner = activation_name(config, "activation", "tanh")
    gate = activation_name(config, "recurrent_activation", "sigmoid")
    if inner not in _GATES or gate not in _GATES:
        raise BundleError(f"{what} with activations {gate!r} and {inner!r} cannot be served")
    return _GATES[gate], _GATES[inner]


RECURRENT: dict[str, Layer] = {"GRU": _gru, "LSTM": _lstm}
