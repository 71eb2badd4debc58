"""How the training rows of a model were distributed, feature by feature: what its traffic is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.served import Manifest, ServedBundle
from netheal.contracts import Contract
from netheal.contracts.contract import parse_contract
from netheal.errors import BundleError
from netheal.wording import listed, quoted

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
PROFILE_KEY = "training_histograms"
"""Where a bundle's profile has the document of `parse_histograms`."""

THREAT_CLASSES = ("attack", "normal")
"""The classes of a threat detector: at or above its threshold, and below."""

BINS = 10
_MOST_BINS = 64
_MOST_ROWS_PER_BIN = 2**40
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Histogram:
    """Of numbers. `edges` double [k], ascending, the first two may be equal; `counts` int64 [k + 1] of training.

    The bins: below the first edge; from it to the second, both included; each further one up to and with its upper
    edge; above the last.
    """

    edges: Doubles
    counts: Ints

    def count(self, values: Doubles) -> Ints:
        """How many of the values [n] are in each bin, [k + 1]."""
        below = np.count_nonzero(values < self.edges[0])
        above = [np.count_nonzero(values > edge) for edge in self.edges[1:]]
        return -np.diff([len(values), len(values) - below, *above, 0])

    def document(self) -> dict[str, Any]:
        """As a profile and a manifest have it."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist()}


@dataclass(frozen=True)
class CodeHistogram:
    """Of a category. `codes` double [k], each a bin of its own, and one for all others; `counts` int64 [k + 1]."""

    codes: Doubles
    counts: Ints

    def count(self, values: Doubles) -> Ints:
        """How many of the values [n] are in each bin, [k + 1]."""
        each = [np.count_nonzero(values == code) for code in self.codes]
        return np.array([*each, len(values) - sum(each)], dtype=np.int64)

    def document(self) -> dict[str, Any]:
        """As a profile and a manifest have it."""
        return {"codes": self.codes.tolist(), "counts": self.counts.tolist()}


@dataclass(frozen=True)
class TrainingHistograms:
    """`features` in contract order, of the training rows; `score` and `classes` of rows that were held out.

    `score` is of a threat detector's score or a classifier's confidence; `classes` has rows by answer, sorted by name.
    """

    features: tuple[Histogram | CodeHistogram, ...]
    score: Histogram
    classes: Mapping[str, int]

    def document(self, contract: Contract) -> dict[str, Any]:
        """As a profile and a manifest have it; `parse_histograms` reads it back."""
        features = zip(contract.names, self.features, strict=True)
        return {
            "features": {name: histogram.document() for name, histogram in features},
            "score": self.score.document(),
            "classes": dict(self.classes),
        }


def learn_histogram(values: Doubles) -> Histogram:
    """The histogram of numbers [n], of which there is one at least.

    `BINS` bins that each hold as much as ties allow: edges are values that occur, and those that coincide are one.

    >>> learn_histogram(np.array([0.0, 0.0, 0.0, 7.0])).document()
    {'edges': [0.0, 0.0, 7.0], 'counts': [0, 3, 1, 0]}
    """
    inner = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:], method="inverted_cdf")
    edges = np.array([values.min(), *np.unique(inner)])
    return Histogram(edges, Histogram(edges, np.zeros(0, np.int64)).count(values))


def learn_codes(values: Doubles) -> CodeHistogram:
    """The histogram of a category's codes [n]: the most frequent ones, at most one less than `BINS`, and the rest."""
    codes, counts = np.unique(values, return_counts=True)
    frequent = np.sort(codes[np.argsort(-counts, kind="stable")[: BINS - 1]])
    return CodeHistogram(frequent, CodeHistogram(frequent, np.zeros(0, np.int64)).count(values))


def learn_features(rows: Doubles, contract: Contract) -> tuple[Histogram | CodeHistogram, ...]:
    """Of unscaled training rows, double [N, n], in contract order."""
    columns = zip(contract.features, np.ascontiguousarray(rows.T), strict=True)
    return tuple(learn_codes(values) if feature.category else learn_histogram(values) for feature, values in columns)


def class_names(manifest: Manifest) -> list[str]:
    """What a model may answer, sorted; of a threat detector `THREAT_CLASSES`."""
    return sorted(set(manifest.classes or THREAT_CLASSES))


def with_histograms(bundle: ServedBundle, document: Any) -> ServedBundle:
    """The bundle with histograms of its training rows; raises BundleError where they are not of its features."""
    histograms = parse_histograms(document, bundle.contract, class_names(bundle.manifest))
    told = histograms.document(bundle.contract)
    return ServedBundle(replace(bundle.manifest, training_histograms=told), bundle.onnx)


def histograms_of(manifest: Manifest) -> TrainingHistograms | None:
    """Those that a manifest has; None where it has none."""
    document = manifest.training_histograms
    if document is None:
        return None
    return parse_histograms(document, parse_contract(manifest.contract), class_names(manifest))


def parse_histograms(document: Any, contract: Contract, classes: Sequence[str]) -> TrainingHistograms:
    """Histograms from their document, which names every feature of the contract once; raises BundleError.

    `{"features": {feature: {"edges": [low, …], "counts": [below, …, above]}, category: {"codes": [code, …], "counts":
    [rows, …, others]}}, "score": {"edges": …, "counts": …}, "classes": {class: rows}}`. Every feature has the same
    number of rows. `classes` are those that the model may answer; one that is not named has no rows.
    """
    if type(document) is not dict or document.keys() != {"features", "score", "classes"}:
        raise BundleError(f"{PROFILE_KEY} has other fields than features, score and classes")
    named = document["features"]
    if type(named) is not dict or named.keys() != set(contract.names):
        wrong = set(named) ^ set(contract.names) if type(named) is dict else set(contract.names)
        raise BundleError(f"{PROFILE_KEY} must name each feature once, and differs in {listed(sorted(wrong))}")
    features = tuple(_feature(named[name], name) for name in contract.names)
    if len({int(histogram.counts.sum()) for histogram in features}) != 1:
        raise BundleError(f"the features of {PROFILE_KEY} have different numbers of rows: count all over the same rows")
    score = _feature(document["score"], "score")
    if not isinstance(score, Histogram):
        raise BundleError(f"the score of {PROFILE_KEY} has codes: give edges")
    return TrainingHistograms(features, score, _classes(document["classes"], classes))


def _feature(document: Any, name: str) -> Histogram | CodeHistogram:
    if type(document) is not dict or document.keys() not in ({"edges", "counts"}, {"codes", "counts"}):
        raise BundleError(f"the histogram of {quoted(name)} has other fields than edges, or codes, and counts")
    codes = "codes" in document
    bounds = _numbers(document["codes" if codes else "edges"], name, least=1 if codes else 2)
    steps = np.diff(bounds)
    if not codes and steps[0] == 0:  # the least of training, which a whole bin holds
        steps = steps[1:]
    if (steps <= 0).any():
        raise BundleError(f"the edges or codes of {quoted(name)} do not ascend")
    counts = document["counts"]
    if type(counts) is not list or len(counts) != len(bounds) + 1:
        raise BundleError(f"the counts of {quoted(name)} are not one more than its edges or codes")
    rows = np.array([_rows(value, name) for value in counts], dtype=np.int64)
    if not rows.any():
        raise BundleError(f"the counts of {quoted(name)} are of no rows")
    return CodeHistogram(bounds, rows) if codes else Histogram(bounds, rows)


def _numbers(values: Any, name: str, least: int) -> Doubles:
    if type(values) is not list or not least <= len(values) <= _MOST_BINS:
        raise BundleError(f"the edges or codes of {quoted(name)} are no list of {least} to {_MOST_BINS} numbers")
    for value in values:
        if type(value) not in (int, float) or not abs(value) <= _LARGEST:
            raise BundleError(f"{PROFILE_KEY} has something for {quoted(name)} that is no finite number")
    return np.array(values, dtype=np.float64)


def _rows(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= _MOST_ROWS_PER_BIN:
        raise BundleError(f"{PROFILE_KEY} has a count for {quoted(name)} that is no number of rows")
    return value


def _classes(document: Any, known: Sequence[str]) -> dict[str, int]:
    if type(document) is not dict or not document.keys() <= set(known):
        raise BundleError(f"the classes of {PROFILE_KEY} are none that the model may answer: {listed(sorted(known))}")
    rows = {name: _rows(document.get(name, 0), name) for name in sorted(known)}
    if not any(rows.values()):
        raise BundleError(f"the classes of {PROFILE_KEY} have no rows")
    return rows
