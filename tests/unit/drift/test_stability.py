"""The population stability index, by hand."""

import numpy as np
import pytest

from netheal.bundles.training_histograms import learn_histogram
from netheal.drift.stability import stability_index


def test_the_index_is_that_of_equal_bins() -> None:
    reference, sample = np.arange(100.0), np.concatenate([np.full(40, 5.0), np.arange(10.0, 70.0)])
    histogram = learn_histogram(reference)
    shares = np.array([0.4, *[0.1] * 6, *[0.005] * 3])  # an empty bin counts as half a value of 100
    by_hand = float(np.sum((shares - 0.1) * np.log(shares / 0.1)))
    assert stability_index(histogram.counts, histogram.count(sample)) == pytest.approx(by_hand)


@pytest.mark.parametrize("value", [-5.0, 7.0])
def test_values_outside_a_constant_reference_are_a_shift(value: float) -> None:
    constant = learn_histogram(np.ones(50))
    assert stability_index(constant.counts, constant.counts) == 0.0
    assert stability_index(constant.counts, constant.count(np.full(50, value))) > 1.0
