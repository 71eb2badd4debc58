"""Keras layers as ONNX nodes, each a function from one tensor to the next, in float32, at inference."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.topology import Config
from netheal.bundles.weights import WeightReader
from netheal.errors import BundleError
from netheal.wording import quoted, shape_text


@dataclass(frozen=True)
class Tensor:
    """A float32 tensor of the graph; `shape` leaves out the batch, `share` says that all values lie in [0, 1]."""

    name: str
    shape: tuple[int, ...]
    share: bool = False


FLOAT_BYTES = 4
Layer = Callable[[GraphBuilder, Tensor, Config, WeightReader], Tensor]

KERAS_2_HARD_SIGMOID = "hard_sigmoid of Keras 2"
IN_TRAINING_ONLY = ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D")
_NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "elu": ("Elu", {"alpha": 1.0}),
    "exponential": ("Exp", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    KERAS_2_HARD_SIGMOID: ("HardSigmoid", {"alpha": 0.2, "beta": 0.5}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}
_CLIPS = {"hard_tanh": (-1.0, 1.0), "relu6": (0.0, 6.0)}
_SHARES = ("hard_sigmoid", KERAS_2_HARD_SIGMOID, "sigmoid", "softmax")


def activation_name(config: Config, key: str = "activation", default: str = "linear") -> str:
    """The name of an activation given as a string or as a Keras object."""
    value = config.get(key, default)
    if isinstance(value, dict):
        value = value.get("config") if isinstance(value.get("config"), str) else value.get("class_name")
    return "linear" if value is None else str(value)


def constant(graph: GraphBuilder, value: float | NDArray[Any]) -> str:
    """A float32 constant."""
    return graph.constant(np.asarray(value, dtype=np.float32))


def activate(graph: GraphBuilder, tensor: Tensor, name: str) -> Tensor:
    """Apply an activation by its Keras name."""
    if name == "linear":
        return tensor
    if name in _CLIPS:
        low, high = _CLIPS[name]
        return Tensor(graph.add("Clip", tensor.name, constant(graph, low), constant(graph, high)), tensor.shape)
    if name in ("silu", "swish"):
        return Tensor(graph.add("Mul", tensor.name, graph.add("Sigmoid", tensor.name)), tensor.shape)
    if name not in _NODES:
        raise BundleError(f"activation {quoted(name)} is not one that can be served")
    op, attributes = _NODES[name]
    return Tensor(graph.add(op, tensor.name, **attributes), tensor.shape, name in _SHARES)


def _activation(graph: GraphBuilder, tensor: Tensor, config: Config, _: WeightReader) -> Tensor:
    return activate(graph, tensor, activation_name(config))


def _dense(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    units = int(config["units"])
    kernel = weights.take("Dense kernel", (tensor.shape[-1], units))
    value = graph.add("MatMul", tensor.name, graph.constant(kernel))
    if config.get("use_bias", True):
        value = graph.add("Add", value, graph.constant(weights.take("Dense bias", (units,))))
    return activate(graph, Tensor(value, (*tensor.shape[:-1], units)), activation_name(config))


def _nothing(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    return tensor


def _flatten(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    return reshape(graph, tensor, (math.prod(tensor.shape),))


def _reshape(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    target, size = [int(side) for side in config["target_shape"]], math.prod(tensor.shape)
    known = math.prod(side for side in target if side != -1)
    return reshape(graph, tensor, tuple(size // known if side == -1 else side for side in target))


def reshape(graph: GraphBuilder, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same values in another shape (without the batch)."""
    if math.prod(shape) != math.prod(tensor.shape) or min(shape, default=1) < 1:
        raise BundleError(f"values of shape {shape_text(tensor.shape)} cannot take the shape {shape_text(shape)}")
    if shape == tensor.shape:
        return tensor
    target = graph.constant(np.array([-1, *shape], dtype=np.int64))
    return Tensor(graph.add("Reshape", tensor.name, target), shape, tensor.share)


def _rescaling(graph: GraphBuilder, tensor: Tensor, config: Config, _: WeightReader) -> Tensor:
    value = graph.add("Mul", tensor.name, constant(graph, float(config["scale"])))
    if float(config.get("offset", 0.0)):
        value = graph.add("Add", value, constant(graph, float(config["offset"])))
    return Tensor(value, tensor.shape)


def _leaky_relu(graph: GraphBuilder, tensor: Tensor, config: Config, _: WeightReader) -> Tensor:
    return Tensor(graph.add("LeakyRelu", tensor.name, alpha=leaky_slope(config)), tensor.shape)


def leaky_slope(config: Config) -> float:
    """The slope below zero, by Keras 3's name or Keras 2's."""
    return float(config["negative_slope"] if "negative_slope" in config else config.get("alpha", 0.3))


def _relu(graph: GraphBuilder, tensor: Tensor, config: Config, _: WeightReader) -> Tensor:
    if config.get("max_value") is not None or config.get("negative_slope") or config.get("threshold"):
        raise BundleError("a ReLU with a largest value, a slope or a threshold cannot be served")
    return activate(graph, tensor, "relu")


def _batch_normalization(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    if config.get("axis", -1) not in (-1, len(tensor.shape), [-1], [len(tensor.shape)]):
        raise BundleError("BatchNormalization over another axis than the last cannot be served")
    size = (tensor.shape[-1],)
    gamma = weights.take("gamma", size) if config.get("scale", True) else np.ones(size, dtype=np.float32)
    beta = weights.take("beta", size) if config.get("center", True) else np.zeros(size, dtype=np.float32)
    mean, variance = weights.take("moving mean", size), weights.take("moving variance", size)
    times = gamma / np.sqrt(variance.astype(np.float64) + float(config.get("epsilon", 1e-3)))
    if not np.isfinite(times).all():
        raise BundleError("BatchNormalization has a negative variance: train the network again")
    value = graph.add("Mul", tensor.name, constant(graph, times))
    return Tensor(graph.add("Add", value, constant(graph, beta - mean * times)), tensor.shape)


def _pooled(operation: str) -> Layer:
    """The mean or the largest value over all steps."""

    def layer(graph: GraphBuilder, tensor: Tensor, config: Config, _: WeightReader) -> Tensor:
        if len(tensor.shape) != 2 or config.get("keepdims") or config.get("data_format") == "channels_first":
            raise BundleError(
                f"pooling over values of shape {shape_text(tensor.shape)} with these options cannot be served"
            )
        steps = graph.constant(np.array([1], dtype=np.int64))
        return Tensor(graph.add(operation, tensor.name, steps, keepdims=0), tensor.shape[1:], tensor.share)

    return layer


LAYERS: dict[str, Layer] = {
    "Activation": _activation,
    "BatchNormalization": _batch_normalization,
    "Dense": _dense,
    "Flatten": _flatten,
    "GlobalAveragePooling1D": _pooled("ReduceMean"),
    "GlobalMaxPooling1D": _pooled("ReduceMax"),
    "LeakyReLU": _leaky_relu,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    **dict.fromkeys(IN_TRAINING_ONLY, _nothing),
}
