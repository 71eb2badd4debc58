"""Keras networks, given as their config and weights, as one ONNX graph whose scores are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import TensorProto

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.layers import LAYERS as PLAIN_LAYERS
from netheal.bundles.layers import Config, Layer, Tensor, activation_name, reshape
from netheal.bundles.recurrent import RECURRENT
from netheal.bundles.scaling import Scaling
from netheal.bundles.weights import WeightReader
from netheal.errors import BundleError

LAYERS: dict[str, Layer] = {**PLAIN_LAYERS, **RECURRENT}


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
    entries, shape = layer_chain(network.config), input_shape(network.config)
    tensor = reshape(graph, scaled, shape or scaled.shape)
    weights = WeightReader(network.weights)
    last = "linear"
    for entry in entries:
        kind, config = str(entry["class_name"]), entry["config"]
        if kind not in LAYERS:
            raise BundleError(f"layer {kind} is not one that can be served")
        _require_float32(config)
        try:
            tensor = LAYERS[kind](graph, tensor, config, weights)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the configuration of layer {kind} cannot be read: {error!r}") from error
        if kind in ("Activation", "Dense"):
            last = activation_name(config)
    weights.finish()
    if tensor.shape != (1,) or last != "sigmoid":
        raise BundleError(f"the network ends in {last} over {tensor.shape}, not in one sigmoid score")
    return graph.flat(tensor.name)


def _body(config: Config) -> Config:
    inner = config.get("config")
    return inner if isinstance(inner, dict) and "layers" in inner else config


def layer_chain(config: Config) -> list[Config]:
    """The layers after the input, in order; raises BundleError where they are no chain."""
    entries = _body(config).get("layers")
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("config"), dict) and "class_name" in entry for entry in entries
    ):
        raise BundleError("the network's configuration lists no layers")
    for before, entry in zip([None, *entries], entries, strict=False):
        parents = _parents(entry.get("inbound_nodes"))
        if parents and (before is None or parents != {before.get("name") or before["config"].get("name")}):
            raise BundleError("the network's layers do not form one chain: it cannot be served")
    if any(entry["class_name"] == "InputLayer" for entry in entries[1:]):
        raise BundleError("a network with several inputs cannot be served")
    return [entry for entry in entries if entry["class_name"] != "InputLayer"]


def _parents(inbound: Any) -> set[str]:
    """Names of the layers a functional layer takes its input from, in Keras 2's and Keras 3's notation."""
    if isinstance(inbound, dict):
        history = inbound.get("keras_history")
        if history:
            return {str(history[0])}
        return set().union(*(_parents(value) for value in inbound.values()))
    if isinstance(inbound, list | tuple):
        if inbound and isinstance(inbound[0], str):
            return {inbound[0]}
        return set().union(*(_parents(value) for value in inbound))
    return set()


def input_shape(config: Config) -> tuple[int, ...] | None:
    """The declared input shape without the batch; None where the network declares none."""
    body = _body(config)
    first = body["layers"][0]["config"] if body.get("layers") else {}
    shape = first.get("batch_shape") or first.get("batch_input_shape") or body.get("build_input_shape")
    if not shape:
        return None
    if any(side is None for side in shape[1:]):
        raise BundleError(f"an input of open shape {list(shape)} cannot be served")
    return tuple(int(side) for side in shape[1:])


def _require_float32(config: Config) -> None:
    policy = config.get("dtype")
    if isinstance(policy, dict):
        policy = policy.get("config", {}).get("name")
    if policy not in (None, "float32"):
        raise BundleError(f"a network in {policy} cannot be served: save it in float32")
