"""Keras' recurrent layers as ONNX nodes, in float32, at inference."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.layers import FLOAT_BYTES, Layer, Tensor, activation_name
from netheal.bundles.topology import Config
from netheal.bundles.weights import WeightReader
from netheal.errors import BundleError
from netheal.wording import quoted, shape_text

_MOST_GATES = 4
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
        raise BundleError(
            f"{what} over {shape_text(tensor.shape)} with {', '.join(odd) or 'no options'} cannot be served"
        )
    return tensor.shape[1], int(config["units"])


def _answer(graph: GraphBuilder, found: list[str], tensor: Tensor, config: Config) -> Tensor:
    """The last step's values, or every step's."""
    (every, last), units = found, int(config["units"])
    # The runtime keeps the gates of all steps, and every step's answer whether it is asked for or not.
    graph.spend(FLOAT_BYTES * tensor.shape[0] * (_MOST_GATES + 1) * units)
    if not config.get("return_sequences"):
        return Tensor(graph.add("Squeeze", last, graph.constant(np.array([0], dtype=np.int64))), (units,))
    by_step = graph.add("Squeeze", every, graph.constant(np.array([1], dtype=np.int64)))
    return Tensor(graph.add("Transpose", by_step, perm=[1, 0, 2]), (tensor.shape[0], units))


def _activations(what: str, config: Config) -> tuple[str, str]:
    """Of the gates, and of the new values."""
    inner = activation_name(config, "activation", "tanh")
    gate = activation_name(config, "recurrent_activation", "sigmoid")
    if inner not in _GATES or gate not in _GATES:
        raise BundleError(f"{what} with activations {quoted(gate)} and {quoted(inner)} cannot be served")
    return _GATES[gate], _GATES[inner]


def both_ways(config: Config) -> tuple[str, Config]:
    """The layer that Bidirectional runs forwards and, with weights of its own, backwards: its kind and options."""
    inner = config.get("layer")
    kind = inner.get("class_name") if isinstance(inner, dict) else None
    options = inner.get("config") if isinstance(inner, dict) else None
    if kind not in _ONE_WAY or not isinstance(options, dict) or config.get("merge_mode", "concat") != "concat":
        raise BundleError("Bidirectional is served over an LSTM or a GRU whose two answers are joined")
    back = config.get("backward_layer")
    if back is not None and _alike(back) != _alike(inner):
        raise BundleError("Bidirectional with another layer backwards cannot be served")
    return str(kind), options


def _alike(entry: Any) -> dict[str, Any]:
    """What must be the same of both layers."""
    options = entry.get("config") if isinstance(entry, dict) else None
    wanted = ("units", "activation", "recurrent_activation", "use_bias", "return_sequences", "reset_after")
    return {key: options.get(key) for key in wanted} if isinstance(options, dict) else {}


def _bidirectional(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    kind, options = both_ways(config)
    forwards = _ONE_WAY[kind](graph, tensor, options, weights)
    backwards = _ONE_WAY[kind](graph, _turned(graph, tensor), options, weights)
    if options.get("return_sequences"):
        backwards = _turned(graph, backwards)
    shape = (*forwards.shape[:-1], 2 * forwards.shape[-1])
    return Tensor(graph.add("Concat", forwards.name, backwards.name, axis=len(shape)), shape)


def _turned(graph: GraphBuilder, tensor: Tensor) -> Tensor:
    """The steps from the last to the first."""
    order = graph.constant(np.arange(tensor.shape[0], dtype=np.int64)[::-1].copy())
    return Tensor(graph.add("Gather", tensor.name, order, axis=1), tensor.shape)


_ONE_WAY: dict[str, Layer] = {"GRU": _gru, "LSTM": _lstm}
RECURRENT: dict[str, Layer] = {**_ONE_WAY, "Bidirectional": _bidirectional}
