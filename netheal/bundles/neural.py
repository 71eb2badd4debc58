"""Keras networks, given as their config and weights, as one ONNX graph whose scores are averaged."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import TensorProto

from netheal.bundles.convolution import CONVOLUTION
from netheal.bundles.graph import GraphBuilder
from netheal.bundles.layers import FLOAT_BYTES, Layer, Tensor, reshape
from netheal.bundles.layers import LAYERS as PLAIN_LAYERS
from netheal.bundles.merging import MERGES
from netheal.bundles.recurrent import RECURRENT
from netheal.bundles.scaling import Scaling
from netheal.bundles.topology import Config, Step, input_shape, topology_of
from netheal.bundles.weights import WeightReader
from netheal.errors import BundleError
from netheal.wording import cause, shape_text

_COPIES = 3
"""A layer's values before its bias, before its activation, and after."""
LAYERS: dict[str, Layer] = {**PLAIN_LAYERS, **RECURRENT, **CONVOLUTION}


@dataclass(frozen=True)
class Network:
    """A Keras model: `config` as of `get_config()` or `to_json()`, `weights` as of `get_weights()`."""

    config: dict[str, Any]
    weights: Sequence[ArrayLike]


def ensemble_onnx(networks: Sequence[Network], n_features: int, scaling: Scaling) -> bytes:
    """The served graph: `score` double [N], the mean of the networks' outputs.

    Scaling is in double, the networks in float32 as Keras runs them, the mean in double. Raises BundleError
    for a layer that cannot be served, weights that do not fit, or an output that is no score in [0, 1].
    """
    if not networks:
        raise BundleError("an ensemble needs a network")
    graph = GraphBuilder(n_features)
    scaled = Tensor(graph.cast(scaling.add_to(graph), TensorProto.FLOAT), (n_features,))
    scores = [graph.cast(_score(graph, scaled, network), TensorProto.DOUBLE) for network in networks]
    total = scores[0]
    for score in scores[1:]:
        total = graph.add("Add", total, score)
    mean = graph.add("Div", total, graph.constant(np.array(len(scores), dtype=np.float64)))
    return graph.serialise({"score": (mean, TensorProto.DOUBLE)})


def _score(graph: GraphBuilder, scaled: Tensor, network: Network) -> str:
    """Append one network; returns its score, float32 [N]."""
    topology, weights = topology_of(network.config), WeightReader(network.weights)
    values = [reshape(graph, scaled, input_shape(network.config) or scaled.shape)]
    for step in topology.steps:
        _require_float32(step.config)
        try:
            values.append(_applied(graph, step, [values[number] for number in step.takes], weights))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the configuration of layer {step.kind} cannot be read: {cause(error)}") from error
        graph.spend(_COPIES * FLOAT_BYTES * math.prod(values[-1].shape))
    weights.finish()
    answer = values[topology.output]
    if answer.shape != (1,) or not answer.share:
        last = topology.steps[-1].kind if topology.steps else "nothing"
        raise BundleError(f"the network ends in {last} over {shape_text(answer.shape)}, not in one sigmoid score")
    return graph.flat(answer.name)


def _applied(graph: GraphBuilder, step: Step, given: list[Tensor], weights: WeightReader) -> Tensor:
    if step.kind in MERGES:
        return MERGES[step.kind](graph, given, step.config)
    require_served([step.kind])
    if len(given) != 1:
        raise BundleError(f"layer {step.kind} takes {len(given)} values: it cannot be served")
    return LAYERS[step.kind](graph, given[0], step.config, weights)


def require_served(kinds: Iterable[str]) -> None:
    """Raises BundleError for a layer that is none of those that can be served."""
    for kind in kinds:
        if kind not in LAYERS and kind not in MERGES:
            raise BundleError(f"layer {kind[:60]} is not one that can be served")


def _require_float32(config: Config) -> None:
    policy = config.get("dtype")
    if isinstance(policy, dict):
        policy = policy.get("config", {}).get("name")
    if policy not in (None, "float32"):
        raise BundleError(f"a network in {policy} cannot be served: save it in float32")
