"""A histogram side by side with training, in words and shares, for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.training_histograms import CodeHistogram, Histogram

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BinShares:
    """A bin in words, and its shares of the training rows and of a window's, 0 to 1."""

    bin: str
    training: float
    window: float


def shares(histogram: Histogram | CodeHistogram, found: Ints, texts: Sequence[str] = ()) -> list[BinShares]:
    """Bin by bin; bins that both have no row in are left out. `texts` are a category's, by code."""
    return _shares(_bins(histogram, texts), histogram.counts, found)


def class_shares(training: Mapping[str, int], found: Ints) -> list[BinShares]:
    """The same of answers, sorted by name as `found` is."""
    return _shares(list(training), np.array(list(training.values())), found)


def _shares(names: Sequence[str], training: Ints, found: Ints) -> list[BinShares]:
    rows = zip(names, training / max(int(training.sum()), 1), found / max(int(found.sum()), 1), strict=True)
    return [BinShares(name, float(before), float(now)) for name, before, now in rows if before or now]


def _bins(histogram: Histogram | CodeHistogram, texts: Sequence[Any]) -> list[str]:
    """Each bin in words.

    >>> _bins(Histogram(np.array([0.0, 0.0, 2.5]), np.zeros(4, np.int64)), ())
    ['below 0', '0', 'above 0, to 2.5', 'above 2.5']
    """
    if isinstance(histogram, CodeHistogram):
        codes = [int(code) for code in histogram.codes]
        return [*(str(texts[code]) if code < len(texts) else str(code) for code in codes), "any other"]
    low, first, *others = (f"{edge:.6g}" for edge in histogram.edges)
    least = low if histogram.edges[0] == histogram.edges[1] else f"{low} to {first}"
    upper = [first, *others]
    between = [f"above {below}, to {above}" for below, above in zip(upper, others, strict=False)]
    return [f"below {low}", least, *between, f"above {upper[-1]}"]
