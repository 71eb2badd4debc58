"""A network's weights, taken one after the other as its layers declare them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netheal.bundles.topology import Config
from netheal.errors import BundleError
from netheal.wording import shape_text


def in_layers_order(leaves: Sequence[Config], arrays: Sequence[Any]) -> list[Any]:
    """A model's arrays layer by layer, as `get_weights()` has them.

    Within a file, a model in a model has all arrays that training changes first, then all others.
    """
    counts = [_counts(leaf) for leaf in leaves]
    if sum(changing + fixed for changing, fixed in counts) != len(arrays):
        raise BundleError(f"a model within the network has {len(arrays)} weight arrays, which its layers do not take")
    first = iter(arrays[: sum(changing for changing, _ in counts)])
    rest = iter(arrays[sum(changing for changing, _ in counts) :])
    return [
        next(source)
        for changing, fixed in counts
        for source, count in ((first, changing), (rest, fixed))
        for _ in range(count)
    ]


def _counts(leaf: Config) -> tuple[int, int]:
    """How many arrays of a layer training changes, and how many it does not."""
    config, kind = leaf.get("config") or {}, leaf.get("class_name")
    if kind == "Bidirectional" and isinstance(config.get("layer"), dict):
        changing, fixed = _counts(config["layer"])
        return (0, 2 * (changing + fixed)) if config.get("trainable") is False else (2 * changing, 2 * fixed)
    changing, fixed = int(bool(config.get("use_bias", True))), 0
    if kind == "BatchNormalization":
        changing, fixed = int(bool(config.get("scale", True))) + int(bool(config.get("center", True))), 2
    else:
        changing = changing + _KERNELS[kind] if kind in _KERNELS else 0
    return (0, changing + fixed) if config.get("trainable") is False else (changing, fixed)


_KERNELS = {"Conv1D": 1, "Dense": 1, "GRU": 2, "LSTM": 2}


class WeightReader:
    """Hands out float32 arrays in Keras' `get_weights()` order, each matched against the shape asked for."""

    def __init__(self, weights: Sequence[ArrayLike]) -> None:
        self._arrays = [np.asarray(array, dtype=np.float32) for array in weights]
        self._next = 0

    def take(self, role: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The next array; raises BundleError where it is missing, of another shape or not finite."""
        if self._next >= len(self._arrays):
            raise BundleError(
                f"the network has no weights left for {role} of shape {shape_text(shape)}: the file is incomplete"
            )
        array = self._arrays[self._next]
        self._next += 1
        if array.shape != shape:
            raise BundleError(
                f"{role} needs weights of shape {shape_text(shape)} and the file has {shape_text(array.shape)}"
            )
        if not np.isfinite(array).all():
            raise BundleError(f"{role} holds weights that are not finite: train the network again")
        return array

    def finish(self) -> None:
        """Raises BundleError where weights are left over."""
        if self._next != len(self._arrays):
            raise BundleError(f"{len(self._arrays) - self._next} weight arrays belong to no layer of the network")
