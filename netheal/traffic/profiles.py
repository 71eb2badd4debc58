"""Fitted profiles of traffic: per class some groups of like flows, per group statistics of each feature.

A profile file holds statistics, never rows: for each group its number of rows, and for each feature a
constant, quantiles (0, 25, 50, 75, 100 %), or a few values with their shares. Features of a group move
together: with probability |loading| a feature takes the row's own rank (or one minus it where the loading
is negative) in place of an independent one, which keeps its distribution as it is.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

STEPS = 16
"""Resolution of a feature's distribution: its grid has this many steps of equal probability."""


@dataclass(frozen=True)
class Group:
    """Like flows, of which there were `rows`: `grids` [features, STEPS + 1], the others [features]."""

    rows: int
    grids: Matrix
    stepped: NDArray[np.bool_]
    loadings: Matrix


class Profile:
    """Classes of traffic over one list of features.

    `decimals` says how a feature is rounded: 0 integers, 2 two decimals, -10 ten significant digits.
    `words` maps a category to its values; in a sample they are given by their place.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.features: tuple[str, ...] = tuple(document["features"])
        self.decimals: tuple[int, ...] = tuple(document["decimals"])
        self.words: dict[str, tuple[str, ...]] = {k: tuple(v) for k, v in document["words"].items()}
        self.fitted_on: str = document["fitted_on"]
        self._groups = {name: [_group(entry) for entry in entries] for name, entries in document["classes"].items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""
        return tuple(self._groups)

    def rows_by_group(self, name: str) -> list[int]:
        """How many real rows each group of class `name` was fitted on."""
        return [group.rows for group in self._groups[name]]

    def sample(self, rng: np.random.Generator, names: Sequence[str]) -> Matrix:
        """One row for each class name, [rows, features], in their order, rounded as the meter rounds."""
        asked = np.asarray(names)
        result = np.empty((len(asked), len(self.features)))
        for name in sorted(set(names)):
            places = np.flatnonzero(asked == name)
            result[places] = _sampled(rng, self._groups[name], len(places))
        for column, decimals in enumerate(self.decimals):
            result[:, column] = _rounded(result[:, column], decimals)
        return result


@cache
def shipped_profile(name: str) -> Profile:
    """The profile `attack` or `threat` of this package."""
    text = (files("netheal.traffic") / "profiles" / f"{name}.json").read_text("utf-8")
    return Profile(json.loads(text))


def _group(entry: Mapping[str, Any]) -> Group:
    cells = entry["cells"]
    return Group(
        rows=entry["rows"],
        grids=np.array([_grid(cell) for cell in cells]),
        stepped=np.array([isinstance(cell, dict) for cell in cells]),
        loadings=np.array(entry["loadings"]),
    )


def _grid(cell: float | list[float] | Mapping[str, list[float]]) -> Matrix:
    """A cell of a profile file as values at STEPS + 1 ranks."""
    if isinstance(cell, Mapping):
        ranks = (np.arange(STEPS + 1) + 0.5) / STEPS
        ends = np.cumsum(cell["shares"]) / np.sum(cell["shares"])
        places = np.minimum(np.searchsorted(ends, ranks), len(ends) - 1)
        return np.asarray(cell["values"], np.float64)[places]
    if isinstance(cell, list):
        return np.interp(np.linspace(0, 1, STEPS + 1), np.linspace(0, 1, len(cell)), cell)
    return np.full(STEPS + 1, float(cell))


def _sampled(rng: np.random.Generator, groups: Sequence[Group], count: int) -> Matrix:
    shares = np.array([group.rows for group in groups], np.float64)
    chosen = rng.choice(len(groups), count, p=shares / shares.sum())
    grids = np.stack([group.grids for group in groups])
    loadings = np.stack([group.loadings for group in groups])[chosen]
    stepped = np.stack([group.stepped for group in groups])[chosen]
    own = rng.random((count, 1))
    shared = np.where(loadings < 0, 1 - own, own)
    ranks = np.where(rng.random(loadings.shape) < np.abs(loadings), shared, rng.random(loadings.shape))
    below = np.minimum((ranks * STEPS).astype(np.int64), STEPS - 1)
    columns = np.arange(loadings.shape[1])
    low = grids[chosen[:, None], columns, below]
    high = grids[chosen[:, None], columns, below + 1]
    return np.asarray(np.where(stepped, low, low + (high - low) * (ranks * STEPS - below)))


def _rounded(values: Matrix, decimals: int) -> Matrix:
    if decimals >= 0:
        return np.round(values, decimals)
    with np.errstate(divide="ignore"):
        places = -decimals - 1 - np.floor(np.log10(np.abs(values)))
    scale = 10.0 ** np.where(np.isfinite(places), np.clip(places, 0, 20), 0)
    return np.asarray(np.rint(values * scale) / scale)
