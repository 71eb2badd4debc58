"""How new rows are to a model: ranges of its training rows, a limit, and how often a missed attack is marked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.training_ranges import TrainingRanges, learn_ranges
from netheal.contracts import Contract
from netheal.contracts.verdict import is_novel, novelty
from research.datasets import Rows, split
from research.evaluation import other_sources, without_families
from research.measures import share

Document = dict[str, Any]
Fit = Callable[[Rows, int], Any]
"""A recipe of a `Voter`."""

UNMARKED = 0.95
"""The share of held-out benign rows, called benign, that are at or below the limit: of `SHARES`, the one where what is
marked of missed attacks that training lacked, over both starters, lies farthest above what is marked of these rows."""

SHARES = (0.95, 0.98, 0.99)


class Voter(Protocol):
    """A trained model that says how many of its votes the first answer got."""

    @property
    def benign(self) -> str:
        """The label of rows that are no attack."""

    @property
    def answer_count(self) -> int:
        """How many answers share the votes."""

    def answers(self, values: NDArray[np.float64]) -> NDArray[np.object_]:
        """Labels [N] of unscaled rows [N, n]; any that is not `benign` is an alarm."""

    def largest_shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the votes for the first answer to unscaled rows [N, n], double [N]."""


@dataclass(frozen=True)
class RangedModel:
    """A model with the ranges of its training rows."""

    model: Voter
    ranges: TrainingRanges

    def novelties(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The novelty of unscaled rows [N, n], double [N]."""
        return novelty(self.ranges.outside(values), self.model.largest_shares(values), self.model.answer_count)

    def marked(self, rows: Rows) -> Document:
        """How many rows are marked novel, by what they are and what the model called them."""
        benign, limit = self.model.benign, self.ranges.limit
        attack, alarm = rows.labels != benign, self.model.answers(rows.values) != benign
        novel = is_novel(self.novelties(rows.values), 1.0 if limit is None else limit)
        groups = {"missed": attack & ~alarm, "found": attack & alarm, "normal": ~(attack | alarm)}
        groups["false_alarms"] = alarm & ~attack
        return {name: asdict(share(novel[which])) for name, which in groups.items()}


def with_limit(model: Voter, contract: Contract, seen: Rows, held: Rows, unmarked: float = UNMARKED) -> RangedModel:
    """The model with ranges of the rows it was trained on, and a limit from benign ones that were held out."""
    without = RangedModel(model, learn_ranges(seen.values, contract))
    quiet = held.take((held.labels == model.benign) & (model.answers(held.values) == model.benign))
    if not len(quiet):
        return without
    limit = float(np.quantile(without.novelties(quiet.values), unmarked))
    return RangedModel(model, replace(without.ranges, limit=limit))


def marked_novel(model: RangedModel, parts: Mapping[str, Rows]) -> Document:
    """The limit, and what is marked in each part."""
    return {"limit": model.ranges.limit, "parts": {name: model.marked(rows) for name, rows in parts.items()}}


def marked_unlike_training(fit: Fit, contract: Contract, rows: Rows, benign: str, seed: int) -> Document:
    """What is marked by models whose training lacked a source, or an attack."""
    sources = dict(_of_other_sources(fit, contract, rows, seed))
    return {"sources": sources, "families": _of_unseen_families(fit, contract, rows, benign, seed)}


def _of_other_sources(fit: Fit, contract: Contract, rows: Rows, seed: int) -> Iterator[tuple[str, Document]]:
    """For each source what is marked of its rows by a model that was trained on the other sources alone."""

    def fit_others(others: Rows, seed: int) -> RangedModel:
        seen, held = split(others, seed)
        return with_limit(fit(seen, seed), contract, seen, held)

    for name, model, own in other_sources(fit_others, rows, seed):
        yield name, model.marked(own)


def _of_unseen_families(fit: Fit, contract: Contract, rows: Rows, benign: str, seed: int) -> Document:
    """What is marked of missed rows of attacks, each by a model that was trained without that attack.

    `missed` is over all of them, at the limit of `UNMARKED`; `limits` have, for each of `SHARES`, the mean over attacks
    of which rows are missed.
    """
    novel: dict[float, list[NDArray[np.bool_]]] = {unmarked: [] for unmarked in SHARES}
    seen, held = split(rows, seed)

    def fit_rest(rest: Rows, seed: int) -> tuple[Any, Rows]:
        return fit(rest, seed), rest

    for name, (model, rest), family in without_families(fit_rest, seen, benign, seed):
        missed = family.take(model.answers(family.values) == benign)
        others = held.take(held.labels != name)
        for unmarked, found in novel.items():
            ranged = with_limit(model, contract, rest, others, unmarked)
            if len(missed) and ranged.ranges.limit is not None:
                found.append(is_novel(ranged.novelties(missed.values), ranged.ranges.limit))
    means = {unmarked: float(np.mean([part.mean() for part in found])) for unmarked, found in novel.items() if found}
    limits = [{"name": f"{1 - unmarked:.0%} of benign rows", "mean_marked": mean} for unmarked, mean in means.items()]
    return {"missed": asdict(share(np.concatenate([np.zeros(0, np.bool_), *novel[UNMARKED]]))), "limits": limits}
