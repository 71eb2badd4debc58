"""The population stability index: how far the shares of some bins have moved."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
_EMPTY = 0.5
"""Of how many rows an empty bin counts, so that its logarithm is finite."""


def stability_index(expected: Ints, found: Ints) -> float:
    """The population stability index (PSI) of counts [k] against those of the reference [k], each of a row at least.

    0 where both are alike, no bound. By custom 0.1 is a small shift and 0.25 a large one (Siddiqi 2006, Credit Risk
    Scorecards).

    >>> stability_index(np.array([5, 5]), np.array([70, 70])), stability_index(np.array([9, 0]), np.array([0, 9])) > 1
    (0.0, True)
    """
    reference, shares = (np.maximum(counts, _EMPTY) / counts.sum() for counts in (expected, found))
    return float(np.sum((shares - reference) * np.log(shares / reference)))
