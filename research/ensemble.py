"""The two networks of the threat detector: a dense one and an LSTM, whose scores are averaged."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.keras_runtime import keras
from research.keras_runtime import tensorflow as tf

layers = keras.layers

EPOCHS = 10
BATCH_ROWS = 256
CLIP = 4.0  # a power of two: dividing by it loses nothing


@dataclass(frozen=True)
class Ensemble:
    """Trained networks over scaled rows."""

    ann: keras.Model
    lstm: keras.Model

    def scores(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean score, double [N], of scaled rows [N, n]."""
        rows = scaled.astype(np.float32)
        ann = self.ann.predict(rows, batch_size=4096, verbose=0)
        lstm = self.lstm.predict(rows[:, None, :], batch_size=4096, verbose=0)
        mean: NDArray[np.float64] = (ann.astype(np.float64) + lstm.astype(np.float64))[:, 0] / 2.0
        return mean


def train(scaled: NDArray[np.float64], attack: NDArray[np.int64], random_state: int) -> Ensemble:
    """Both networks, trained on scaled rows [N, n] and their 0 or 1 [N]; the seed fixes the weights."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(random_state)
    tf.config.experimental.enable_op_determinism()
    rows, n_features = scaled.astype(np.float32), scaled.shape[1]
    hidden = [layers.Dense(64, "relu"), layers.Dropout(0.2), layers.Dense(32, "relu")]
    ann = _network("ann", (n_features,), hidden)
    lstm = _network("lstm", (1, n_features), [layers.LSTM(32), layers.Dropout(0.2)])
    for network, inputs in ((ann, rows), (lstm, rows[:, None, :])):
        network.fit(inputs, attack, epochs=EPOCHS, batch_size=BATCH_ROWS, verbose=0)
    return Ensemble(ann, lstm)


def plain_config(network: keras.Model) -> dict[str, Any]:
    """The network's config as plain JSON values; `keras.Sequential.from_config` takes it."""
    config: dict[str, Any] = json.loads(network.to_json())["config"]
    return config


def _network(name: str, shape: tuple[int, ...], hidden: list[keras.Layer]) -> keras.Model:
    """Clips its scaled inputs to ±CLIP, so that an outlier pulls no further than a large value."""
    clip = [layers.Rescaling(1 / CLIP), layers.Activation("hard_tanh"), layers.Rescaling(CLIP)]
    output = layers.Dense(1, "sigmoid")
    network = keras.Sequential([layers.Input(shape), *clip, *hidden, output], name=name)
    network.compile("adam", "binary_crossentropy")
    return network
