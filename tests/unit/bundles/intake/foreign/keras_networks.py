"""Small networks of every layer that is served, for whichever Keras is given.

Run as a program it writes files as that Keras writes them, and what it answers: `python keras_networks.py
MODULE PREFIX`, where MODULE is `keras`, `tf_keras` or `tensorflow.keras`. The files beside it were written by
tensorflow-cpu 2.15.1 (Keras 2.15, on Python 3.11), by tensorflow-cpu 2.5.3 (which cannot pickle a network)
and by tf_keras 2.21.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np

FEATURES = 10
CONTRACT = Path(__file__).parents[5] / "netheal" / "contracts" / "data" / "threat_v1.json"
_ROWS = 40


def branches(keras: Any) -> Any:
    """A functional model with branches, a merge of each kind and a Sequential within."""
    layers = keras.layers
    given = keras.Input((FEATURES,))
    inner = keras.Sequential([layers.Dense(4, "relu"), layers.BatchNormalization(), layers.Dense(3)], name="inner")
    steps = layers.Reshape((5, 2))(given)
    steps = layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="elu")(steps)
    steps = layers.GlobalAveragePooling1D()(layers.MaxPooling1D(2)(steps))
    added = layers.Add()([inner(given), layers.Dense(3, "tanh")(given)])
    joined = layers.Dropout(0.1)(layers.Concatenate()([added, steps]))
    heads = [layers.Dense(1, "sigmoid")(joined), layers.Dense(1, "hard_sigmoid")(joined)]
    return keras.Model(given, layers.Average()(heads))


def nested(keras: Any) -> Any:
    """A Sequential with a functional model within, whose layers are partly frozen, itself with a Sequential."""
    layers = keras.layers
    given = keras.Input((FEATURES,))
    deep = keras.Sequential([layers.Dense(5, use_bias=False), layers.BatchNormalization(center=False)], name="deep")
    frozen = layers.Dense(5, "selu", name="frozen", trainable=False)
    joined = layers.Concatenate(axis=1)([deep(given), frozen(given)])
    inner = keras.Model(given, layers.BatchNormalization()(joined), name="inner")
    return keras.Sequential(
        [keras.Input((FEATURES,)), inner, layers.Activation("swish"), layers.Dense(1, activation="sigmoid")]
    )


def chain(keras: Any) -> Any:
    """Windows of every padding, recurrent layers, and layers that only training needs."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.GaussianNoise(0.1),
            layers.Reshape((FEATURES, 1)),
            layers.Conv1D(3, 4, strides=2, padding="same", use_bias=False),
            layers.LeakyReLU(),
            layers.AveragePooling1D(3, strides=1, padding="same"),
            layers.SpatialDropout1D(0.1),
            layers.LSTM(4, return_sequences=True),
            layers.MaxPooling1D(2, padding="same"),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.Bidirectional(layers.GRU(3)),
            layers.Dense(4),
            layers.ReLU(),
            layers.Dense(1, "sigmoid"),
        ]
    )


NETWORKS: dict[str, Callable[[Any], Any]] = {"branches": branches, "chain": chain, "nested": nested}


def trained(keras: Any, name: str) -> Any:
    """The network with weights as after a training."""
    keras.backend.clear_session()
    network, random = NETWORKS[name](keras), np.random.default_rng(5)
    network.set_weights([random.normal(0, 0.6, array.shape) for array in network.get_weights()])
    for layer in _all_layers(network):
        if type(layer).__name__ == "BatchNormalization":
            *rest, variance = layer.get_weights()
            layer.set_weights([*rest, np.abs(variance) + 0.3])
    return network


def _all_layers(network: Any) -> list[Any]:
    return [part for layer in network.layers for part in (_all_layers(layer) if hasattr(layer, "layers") else [layer])]


def rows() -> Any:
    """Scaled rows, float64."""
    return np.random.default_rng(1).uniform(0, 2, (_ROWS, FEATURES))


def whole(network: Any) -> dict[str, Any]:
    """A serving layout whose model is the network itself."""
    names = json.loads(CONTRACT.read_text("utf-8"))["features"]
    return {"model": network, "scaler": None, "selected_features": names, "threshold": 0.5}


def _main() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    keras, prefix = importlib.import_module(sys.argv[1]), sys.argv[2]
    for name in NETWORKS:
        network, place = trained(keras, name), Path(__file__).parent / f"{prefix}_{name}"
        network.save(f"{place}.h5", include_optimizer=False)
        scores = np.asarray(network(rows().astype("float32"), training=False), dtype="float64")[:, 0]
        np.savez_compressed(f"{place}.npz", rows=rows(), scores=scores)
        if name == "branches":
            joblib.dump(whole(network), f"{place}.joblib", compress=("zlib", 9))


if __name__ == "__main__":
    _main()
