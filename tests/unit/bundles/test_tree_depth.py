"""A tree that is deeper than a graph's reader can follow is refused; one that people train is not."""

import numpy as np
import pytest

from netheal.bundles.tree import MOST_LEVELS, Tree, tree_from_arrays
from netheal.errors import BundleError


def chain(levels: int) -> Tree:
    """Each inner node has a leaf to its left."""
    inner = np.arange(levels)
    left, right = np.full(2 * levels + 1, -1), np.full(2 * levels + 1, -1)
    nodes = np.where(inner == 0, 0, 2 * inner)
    left[nodes], right[nodes] = 2 * inner + 1, 2 * inner + 2
    feature, threshold = np.zeros(2 * levels + 1, np.int64), np.zeros(2 * levels + 1)
    threshold[nodes] = inner
    return tree_from_arrays(left, right, feature, threshold, np.ones((2 * levels + 1, 1, 2)))


def test_a_tree_of_as_many_levels_as_may_be_is_taken() -> None:
    assert len(chain(MOST_LEVELS).left) == 2 * MOST_LEVELS + 1


def test_a_deeper_one_is_refused_in_time() -> None:
    with pytest.raises(BundleError, match="more than 2,000 levels"):
        chain(MOST_LEVELS + 1)
    with pytest.raises(BundleError, match="more than 2,000 levels"):
        chain(400_000)
