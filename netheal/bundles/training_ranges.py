"""What the training rows of a model held, feature by feature: which values a row may have without being new to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from netheal.errors import BundleError
from netheal.wording import listed, quoted

Doubles = NDArray[np.float64]
PROFILE_KEY = "training_ranges"
"""Where a bundle's profile has the document of `parse_ranges`."""

_TAIL = 0.001
_MOST_CODES = 100_000


@dataclass(frozen=True)
class TrainingRanges:
    """Of n features in contract order: `low` and `high`, double [n], both inside.

    `codes` are, by place, those of a category that occurred, sorted; its `low` and `high` are infinite.
    A row whose novelty is above `limit` is novel; None where nobody has measured one.
    """

    low: Doubles
    high: Doubles
    codes: Mapping[int, Doubles]
    limit: float | None = None

    def outside(self, rows: Doubles) -> Doubles:
        """Share of the features of each unscaled row, double [N, n], whose value training did not have, [N]."""
        beyond = np.less(rows, self.low)
        beyond |= np.greater(rows, self.high)
        for place, codes in self.codes.items():
            at = np.searchsorted(codes, rows[:, place]).clip(max=len(codes) - 1)
            beyond[:, place] = codes[at] != rows[:, place]
        return np.asarray(np.add.reduce(beyond.view(np.uint8), axis=1, dtype=np.uint16) / len(self.low))

    def document(self, contract: Contract) -> dict[str, Any]:
        """As a profile and a manifest have it; `parse_ranges` reads it back."""
        names = contract.names
        bounds = zip(names, self.low.tolist(), self.high.tolist(), strict=True)
        return {
            "ranges": {name: [low, high] for at, (name, low, high) in enumerate(bounds) if at not in self.codes},
            "codes": {names[at]: codes.tolist() for at, codes in self.codes.items()},
            "limit": self.limit,
        }


def learn_ranges(rows: Doubles, contract: Contract) -> TrainingRanges:
    """The ranges of unscaled training rows, double [N, n]: all but the outermost thousandth of them at either end.

    So a single overflow of a meter does not widen a range. A category has the codes that occur.
    """
    low, high = np.quantile(rows, [_TAIL, 1 - _TAIL], axis=0)
    places = [at for at, feature in enumerate(contract.features) if feature.category]
    low[places], high[places] = -np.inf, np.inf
    return TrainingRanges(low, high, {at: np.unique(rows[:, at]) for at in places})


def parse_ranges(document: Any, contract: Contract) -> TrainingRanges:
    """Ranges from their document, which names every feature of the contract once; raises BundleError.

    `{"ranges": {feature: [low, high]}, "codes": {category: [code, …]}, "limit": 0.2}`; `codes` and `limit` may be
    left out. A category may have a range like any other feature.
    """
    if type(document) is not dict or document.keys() - {"ranges", "codes", "limit"}:
        raise BundleError(f"{PROFILE_KEY} has other fields than ranges, codes and limit")
    bounds, codes = _by_name(document, "ranges"), _by_name(document, "codes")
    named = [*bounds, *codes]
    if sorted(named) != sorted(contract.names):
        wrong = set(named) ^ set(contract.names) or set(bounds) & set(codes)
        raise BundleError(f"{PROFILE_KEY} must name each feature once, and differs in {listed(sorted(wrong))}")
    place = {name: at for at, name in enumerate(contract.names)}
    low, high = np.full(len(place), -np.inf), np.full(len(place), np.inf)
    for name, values in bounds.items():
        low[place[name]], high[place[name]] = _pair(values, name)
    limit = document.get("limit")
    if limit is not None and not 0 <= _number(limit, "limit") <= 1:
        raise BundleError(f"the limit of {PROFILE_KEY} lies outside 0 to 1")
    return TrainingRanges(low, high, {place[name]: _codes(values, name) for name, values in codes.items()}, limit)


def with_ranges(bundle: ServedBundle, document: Any) -> ServedBundle:
    """The bundle with ranges of its training rows; raises BundleError where they are not of its features."""
    ranges = parse_ranges(document, bundle.contract)
    return ServedBundle(replace(bundle.manifest, training_ranges=ranges.document(bundle.contract)), bundle.onnx)


def _by_name(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    values = document.get(key, {})
    if type(values) is not dict:
        raise BundleError(f"{quoted(key)} of {PROFILE_KEY} is no object of feature names")
    return values


def _pair(values: Any, name: str) -> tuple[float, float]:
    if type(values) is not list or len(values) != 2:
        raise BundleError(f"the training range of {quoted(name)} is no pair of numbers")
    low, high = _number(values[0], name), _number(values[1], name)
    if low > high:
        raise BundleError(f"the training range of {quoted(name)} ends before it begins")
    return low, high


def _codes(values: Any, name: str) -> Doubles:
    if type(values) is not list or not 0 < len(values) <= _MOST_CODES:
        raise BundleError(f"the training codes of {quoted(name)} are no list of 1 to {_MOST_CODES:,} numbers")
    return np.unique([_number(value, name) for value in values])


def _number(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not abs(value) < float("inf"):
        raise BundleError(f"{PROFILE_KEY} has something for {quoted(name)} that is no finite number")
    return float(value)
