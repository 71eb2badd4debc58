"""A Keras network by plain numpy in double: what a served graph of it is proved against."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.layers import Config, activation_name
from netheal.bundles.neural import Network, input_shape, layer_chain
from netheal.bundles.probability import sigmoid, softmax
from netheal.errors import BundleError

Doubles = NDArray[np.float64]
Take = Callable[[], Doubles]

_ACTIVATIONS: dict[str, Callable[[Doubles], Doubles]] = {
    "linear": lambda v: v,
    "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0))),
    "exponential": np.exp,
    "hard_sigmoid": lambda v: np.clip(v / 6 + 0.5, 0, 1),
    "hard_tanh": lambda v: np.clip(v, -1, 1),
    "relu": lambda v: np.maximum(v, 0),
    "relu6": lambda v: np.clip(v, 0, 6),
    "sigmoid": sigmoid,
    "softmax": softmax,
    "softplus": lambda v: np.logaddexp(0, v),
    "softsign": lambda v: v / (1 + np.abs(v)),
    "tanh": np.tanh,
}


def network_scores(network: Network, scaled: Doubles) -> Doubles:
    """Scores, double [N], of scaled rows [N, n]; raises BundleError for a layer that it does not know."""
    weights = iter(np.asarray(array, dtype=np.float64) for array in network.weights)
    value = scaled.reshape(len(scaled), *(input_shape(network.config) or scaled.shape[1:]))
    for entry in layer_chain(network.config):
        kind = str(entry["class_name"])
        if kind not in _LAYERS:
            raise BundleError(f"layer {kind} is not one that can be served")
        value = _LAYERS[kind](value, entry["config"], lambda: next(weights))
    return value.reshape(len(scaled))


def _activated(value: Doubles, name: str) -> Doubles:
    return _ACTIVATIONS[name](value)


def _dense(value: Doubles, config: Config, take: Take) -> Doubles:
    value = value @ take()
    return _activated(value + take() if config.get("use_bias", True) else value, activation_name(config))


def _reshape(value: Doubles, config: Config, take: Take) -> Doubles:
    return value.reshape(len(value), *config["target_shape"])


def _rescaling(value: Doubles, config: Config, take: Take) -> Doubles:
    return value * float(config["scale"]) + float(config.get("offset", 0.0))


def _batch_normalization(value: Doubles, config: Config, take: Take) -> Doubles:
    gamma = take() if config.get("scale", True) else np.ones(1)
    beta = take() if config.get("center", True) else np.zeros(1)
    mean, variance = take(), take()
    return (value - mean) / np.sqrt(variance + float(config.get("epsilon", 1e-3))) * gamma + beta


def _lstm(value: Doubles, config: Config, take: Take) -> Doubles:
    units, kernel, recurrent = int(config["units"]), take(), take()
    bias = take() if config.get("use_bias", True) else np.zeros(4 * units)
    inner = _ACTIVATIONS[activation_name(config, "activation", "tanh")]
    gate = _ACTIVATIONS[activation_name(config, "recurrent_activation", "sigmoid")]
    hidden, cell = np.zeros((len(value), units)), np.zeros((len(value), units))
    every = []
    for step in range(value.shape[1]):
        gates = np.split(value[:, step] @ kernel + hidden @ recurrent + bias, 4, axis=1)
        cell = gate(gates[1]) * cell + gate(gates[0]) * inner(gates[2])
        hidden = gate(gates[3]) * inner(cell)
        every.append(hidden)
    return np.stack(every, axis=1) if config.get("return_sequences") else hidden


def _gru(value: Doubles, config: Config, take: Take) -> Doubles:
    units, after, kernel, recurrent = int(config["units"]), config.get("reset_after", True), take(), take()
    bias = np.zeros((2, 3 * units))
    if config.get("use_bias", True):
        found = take()
        bias[: len(np.atleast_2d(found))] = found
    inner = _ACTIVATIONS[activation_name(config, "activation", "tanh")]
    gate = _ACTIVATIONS[activation_name(config, "recurrent_activation", "sigmoid")]
    hidden, every = np.zeros((len(value), units)), []
    for step in range(value.shape[1]):
        came = np.split(value[:, step] @ kernel + bias[0], 3, axis=1)
        kept = np.split(hidden @ recurrent + bias[1], 3, axis=1)
        update, reset = gate(came[0] + kept[0]), gate(came[1] + kept[1])
        new = inner(came[2] + (reset * kept[2] if after else (reset * hidden) @ recurrent[:, 2 * units :]))
        hidden = update * hidden + (1 - update) * new
        every.append(hidden)
    return np.stack(every, axis=1) if config.get("return_sequences") else hidden


_LAYERS: dict[str, Callable[[Doubles, dict[str, Any], Take], Doubles]] = {
    "Activation": lambda value, config, take: _activated(value, activation_name(config)),
    "BatchNormalization": _batch_normalization,
    "Dense": _dense,
    "Dropout": lambda value, config, take: value,
    "Flatten": lambda value, config, take: value.reshape(len(value), -1),
    "GRU": _gru,
    "GlobalAveragePooling1D": lambda value, config, take: value.mean(axis=1),
    "GlobalMaxPooling1D": lambda value, config, take: value.max(axis=1),
    "LSTM": _lstm,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
}
