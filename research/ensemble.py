"""The two networks of the threat detector: a dense one and an LSTM, whose scores are averaged."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from research.keras_runtime import keras
from research.keras_runtime import tensorflow as tf

layers = keras.layers

PATIENCE = 3
"""Epochs without a lower loss on validation rows, after which training ends."""

BATCH_ROWS = 256
CLIP = 4.0  # a power of two: dividing by it loses nothing


@dataclass(frozen=True)
class Ensemble:
    """Trained networks over scaled rows."""

    ann: keras.Model
    lstm: keras.Model

    @property
    def configs(self) -> list[dict[str, Any]]:
        """The networks' configs as plain JSON values; `keras.Sequential.from_config` takes them."""
        return [json.loads(network.to_json())["config"] for network in (self.ann, self.lstm)]

    def scores(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean score, double [N], of scaled rows [N, n]."""
        rows = scaled.astype(np.float32)
        ann = self.ann.predict(rows, batch_size=4096, verbose=0)
        lstm = self.lstm.predict(rows[:, None, :], batch_size=4096, verbose=0)
        mean: NDArray[np.float64] = (ann.astype(np.float64) + lstm.astype(np.float64))[:, 0] / 2.0
        return mean


def train(
    scaled: NDArray[np.float64],
    attack: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
    random_state: int,
    epochs: int,
) -> Ensemble:
    """Both networks, trained on scaled rows [N, n] and their 0 or 1 [N]; the seed fixes the weights.

    Training ends early where the loss on a tenth of the rows, kept for validation, has not become less for a while;
    the weights are those with the least.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(random_state)
    tf.config.experimental.enable_op_determinism()
    rows, n_features = scaled.astype(np.float32), scaled.shape[1]
    hidden = [layers.Dense(64, "relu"), layers.Dropout(0.2), layers.Dense(32, "relu")]
    ann = _network("ann", (n_features,), hidden)
    lstm = _network("lstm", (1, n_features), [layers.LSTM(32), layers.Dropout(0.2)])
    weights = np.ones(len(rows)) if weights is None else weights
    seen, kept = train_test_split(np.arange(len(rows)), test_size=0.1, stratify=attack, random_state=random_state)
    for network, inputs in ((ann, rows), (lstm, rows[:, None, :])):
        print(f"training {network.name} on {len(seen):,} rows, {len(kept):,} for validation")
        network.fit(
            inputs[seen],
            attack[seen],
            sample_weight=weights[seen],
            validation_data=(inputs[kept], attack[kept], weights[kept]),
            epochs=epochs,
            batch_size=BATCH_ROWS,
            callbacks=[keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)],
            verbose=2,
        )
    return Ensemble(ann, lstm)


def _network(name: str, shape: tuple[int, ...], hidden: list[keras.Layer]) -> keras.Model:
    """Clips its scaled inputs to ±CLIP, so that an outlier pulls no further than a large value."""
    clip = [layers.Rescaling(1 / CLIP), layers.Activation("hard_tanh"), layers.Rescaling(CLIP)]
    output = layers.Dense(1, "sigmoid")
    network = keras.Sequential([layers.Input(shape), *clip, *hidden, output], name=name)
    network.compile("adam", "binary_crossentropy")
    return network
