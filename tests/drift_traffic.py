"""Counts of traffic that lies as far from a bundle's training as a test wants."""

import numpy as np

from netheal.bundles.served import ServedBundle
from netheal.bundles.training_histograms import histograms_of
from netheal.drift.counts import DriftCounts


def traffic(bundle: ServedBundle, rows: int, moved: int = 0) -> list[int]:
    """Counts of rows that are spread as training is, but for the first `moved` features, which lie above all of it."""
    histograms = histograms_of(bundle.manifest)
    assert histograms is not None
    counts = DriftCounts.none_yet(histograms)
    counts.values[0] = rows
    counts.add_rejected(rows // 100, rows // 200)
    training = [histogram.counts for histogram in (*histograms.features, histograms.score)]
    training.append(np.array(list(histograms.classes.values())))
    for at, (found, expected) in enumerate(
        zip((*counts.features, counts.score, counts.classes), training, strict=True)
    ):
        found[:] = np.floor(expected / expected.sum() * rows)
        found[int(expected.argmax())] += rows - found.sum()
        if at < moved:
            found[:] = 0
            found[-1] = rows
    return counts.values.tolist()
