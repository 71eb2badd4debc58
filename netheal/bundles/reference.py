"""A Keras network by plain numpy in double: what a served graph of it is proved against."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.layers import IN_TRAINING_ONLY, KERAS_2_HARD_SIGMOID, activation_name, leaky_slope
from netheal.bundles.merging import concatenation_axis
from netheal.bundles.neural import Network
from netheal.bundles.probability import sigmoid, softmax
from netheal.bundles.recurrent import both_ways
from netheal.bundles.topology import Config, input_shape, topology_of
from netheal.bundles.windows import Windows, windows_of
from netheal.errors import BundleError

Doubles = NDArray[np.float64]
Take = Callable[[], Doubles]

_ACTIVATIONS: dict[str, Callable[[Doubles], Doubles]] = {
    "linear": lambda v: v,
    "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0))),
    "exponential": np.exp,
    "hard_sigmoid": lambda v: np.clip(v / 6 + 0.5, 0, 1),
    KERAS_2_HARD_SIGMOID: lambda v: np.clip(v / 5 + 0.5, 0, 1),
    "hard_tanh": lambda v: np.clip(v, -1, 1),
    "relu": lambda v: np.maximum(v, 0),
    "leaky_relu": lambda v: np.where(v > 0, v, 0.2 * v),
    "relu6": lambda v: np.clip(v, 0, 6),
    "selu": lambda v: 1.0507009873554805 * np.where(v > 0, v, 1.6732632423543772 * np.expm1(np.minimum(v, 0))),
    "sigmoid": sigmoid,
    "silu": lambda v: v * sigmoid(v),
    "softmax": softmax,
    "softplus": lambda v: np.logaddexp(0, v),
    "softsign": lambda v: v / (1 + np.abs(v)),
    "swish": lambda v: v * sigmoid(v),
    "tanh": np.tanh,
}


_BLOCK_ROWS = 64


def network_scores(network: Network, scaled: Doubles) -> Doubles:
    """Scores, double [N], of scaled rows [N, n]; raises BundleError for a layer that it does not know."""
    starts = range(0, max(len(scaled), 1), _BLOCK_ROWS)
    return np.concatenate([_scores(network, scaled[start : start + _BLOCK_ROWS]) for start in starts])


def _scores(network: Network, scaled: Doubles) -> Doubles:
    weights = iter(np.asarray(array, dtype=np.float64) for array in network.weights)
    topology = topology_of(network.config)
    values = [scaled.reshape(len(scaled), *(input_shape(network.config) or scaled.shape[1:]))]
    for step in topology.steps:
        given = [values[number] for number in step.takes]
        if step.kind in _MERGES:
            values.append(_MERGES[step.kind](given, step.config))
        elif step.kind in _LAYERS:
            values.append(_LAYERS[step.kind](given[0], step.config, lambda: next(weights)))
        else:
            raise BundleError(f"layer {step.kind} is not one that can be served")
    return values[topology.output].reshape(len(scaled))


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


def _bidirectional(value: Doubles, config: Config, take: Take) -> Doubles:
    kind, options = both_ways(config)
    forwards, backwards = (_LAYERS[kind](steps, options, take) for steps in (value, value[:, ::-1]))
    if options.get("return_sequences"):
        backwards = backwards[:, ::-1]
    return np.concatenate([forwards, backwards], axis=-1)


def _leaky_relu(value: Doubles, config: Config, take: Take) -> Doubles:
    return np.where(value > 0, value, leaky_slope(config) * value)


def _conv(value: Doubles, config: Config, take: Take) -> Doubles:
    windows, kernel = windows_of(config, "kernel_size", value.shape[1]), take()
    padded = np.pad(value, ((0, 0), (windows.before, windows.after), (0, 0)))
    found = sum(padded[:, _places(windows, step)] @ kernel[step] for step in range(windows.size))
    return _activated(found + (take() if config.get("use_bias", True) else 0.0), activation_name(config))


def _pooling(choose: Callable[..., Doubles]) -> Callable[[Doubles, Config, Take], Doubles]:
    def layer(value: Doubles, config: Config, take: Take) -> Doubles:
        windows = windows_of(config, "pool_size", value.shape[1])
        sides = ((0, 0), (windows.before, windows.after), (0, 0))
        padded = np.pad(value, sides, constant_values=np.nan)
        return choose([padded[:, _places(windows, step)] for step in range(windows.size)], axis=0)

    return layer


def _places(windows: Windows, step: int) -> slice:
    start = step * windows.every
    return slice(start, start + (windows.count - 1) * windows.stride + 1, windows.stride)


_MERGES: dict[str, Callable[[list[Doubles], Config], Doubles]] = {
    "Add": lambda values, config: np.sum(values, axis=0),
    "Average": lambda values, config: np.mean(values, axis=0),
    "Concatenate": lambda values, config: np.concatenate(
        values, axis=1 + concatenation_axis(config, values[0].ndim - 1)
    ),
}
_LAYERS: dict[str, Callable[[Doubles, Config, Take], Doubles]] = {
    "Activation": lambda value, config, take: _activated(value, activation_name(config)),
    "AveragePooling1D": _pooling(np.nanmean),
    "BatchNormalization": _batch_normalization,
    "Dense": _dense,
    "Bidirectional": _bidirectional,
    "Conv1D": _conv,
    "Flatten": lambda value, config, take: value.reshape(len(value), -1),
    "GRU": _gru,
    "GlobalAveragePooling1D": lambda value, config, take: value.mean(axis=1),
    "GlobalMaxPooling1D": lambda value, config, take: value.max(axis=1),
    "LSTM": _lstm,
    "LeakyReLU": _leaky_relu,
    "MaxPooling1D": _pooling(np.nanmax),
    "ReLU": lambda value, config, take: np.maximum(value, 0),
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    **dict.fromkeys(IN_TRAINING_ONLY, lambda value, config, take: value),
}
