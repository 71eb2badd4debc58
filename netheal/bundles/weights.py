"""A network's weights, taken one after the other as its layers declare them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netheal.errors import BundleError


class WeightReader:
    """Hands out float32 arrays in Keras' `get_weights()` order, each matched against the shape asked for."""

    def __init__(self, weights: Sequence[ArrayLike]) -> None:
        self._arrays = [np.asarray(array, dtype=np.float32) for array in weights]
        self._next = 0

    def take(self, role: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The next array; raises BundleError where it is missing, of another shape or not finite."""
        if self._next >= len(self._arrays):
            raise BundleError(f"the network has no weights left for {role} {shape}: the file is incomplete")
        array = self._arrays[self._next]
        self._next += 1
        if array.shape != shape:
            raise BundleError(f"{role} needs weights of shape {shape} and the file has {array.shape}")
        if not np.isfinite(array).all():
            raise BundleError(f"{role} holds weights that are not finite: train the network again")
        return array

    def finish(self) -> None:
        """Raises BundleError where weights are left over."""
        if self._next != len(self._arrays):
            raise BundleError(f"{len(self._arrays) - self._next} weight arrays belong to no layer of the network")
