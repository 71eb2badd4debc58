"""One training run, from rows to everything that is written of it; the scripts bring the recipe."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from research import charts, findings
from research.artefacts import write_card
from research.assessment import (
    Bands,
    Document,
    chosen_threshold,
    found_in,
    operating_points,
    parts_of,
    spread,
    unlike_training,
    unseen_by,
)
from research.datasets import Rows, split
from research.evaluation import Fit
from research.histograms import drift_of_parts, training_histograms
from research.metrics import write_metrics
from research.novelty import RangedModel, marked_novel, marked_unlike_training, with_limit
from research.tables import DataFile, Dropped


@dataclass(frozen=True)
class Recipe:
    """How a model is made and measured.

    `fit_at` gives the training at a threshold on the attack score; a classifier has none. A recipe that `chooses` takes
    the threshold that unseen families and groups give in place of its own. `data_set` names the texts of the card in
    `research/data`.
    """

    fit_at: Callable[[float | None], Fit]
    figures: Callable[[Any, Rows], Document]
    benign: str
    bands: Bands
    data_set: str
    threshold: float | None = None
    chooses: bool = False


@dataclass(frozen=True)
class Run:
    """A trained model, the rows it was trained on, the parts it was measured on, and what was found."""

    recipe: Recipe
    ranged: RangedModel
    seen: Rows
    held: Rows
    parts: Mapping[str, Rows]
    figures: dict[str, Document]
    assessed: Document

    @property
    def trained(self) -> Any:
        """The model alone."""
        return self.ranged.model

    @property
    def ranges_document(self) -> Document:
        """What the profile says of the training rows."""
        return self.ranged.ranges.document(self.trained.contract)

    def histograms_document(self, bundle: ServedBundle) -> Document:
        """What the profile says of how the training rows were distributed; `bundle` is the model, served."""
        return training_histograms(bundle, self.seen, self.held).document(bundle.contract)

    @property
    def proof(self) -> NDArray[np.float64]:
        """All rows, to prove the served form by, [N, n]."""
        return np.concatenate([self.seen.values, *(rows.values for rows in self.parts.values())])

    def facts(self, files: list[DataFile], dropped: Dropped, random_state: int) -> Document:
        """What the manifest says of the training."""
        return {
            "files": [asdict(file) for file in files],
            "left_out": dropped.counts,
            "rows": {"train": len(self.seen)} | {name: len(rows) for name, rows in self.parts.items()},
            "random_state": random_state,
            "figures": self.figures,
        }

    def write(
        self, bundle: ServedBundle, introduction: str, dropped: Dropped, options: argparse.Namespace, script: str
    ) -> None:
        """The card, the metrics and the charts; says where everything is."""
        names = self.recipe.data_set
        sections = findings.sections(bundle, introduction, self.assessed, names, self.recipe.benign)
        write_card(options.output_dir, [*sections, *findings.record(bundle, dropped, names, script, options)])
        write_metrics(options.output_dir, bundle, self.assessed, options)
        charts.write(options.output_dir / "charts", self.trained, self.parts, self.figures)
        print(f"the bundle, its profile, card, metrics and charts are in {options.output_dir.resolve()}")


def run(recipe: Recipe, contract: Contract, rows: Rows, tests: Mapping[str, Rows], options: argparse.Namespace) -> Run:
    """Split, choose the threshold where the recipe does, train, and measure."""
    seed = options.random_state
    seen, held = split(rows, seed)
    unseen = None
    if options.thorough or recipe.chooses:
        unseen = unseen_by(recipe.fit_at(recipe.threshold), seen, recipe.benign, seed)
    threshold = chosen_threshold(unseen) if recipe.chooses and unseen is not None else recipe.threshold
    fit = recipe.fit_at(threshold)
    trained: Any = fit(seen, seed)
    parts = parts_by_name(held, tests)
    ranged = with_limit(trained, contract, seen, held)
    place = contract.names.index(recipe.bands.feature) if recipe.bands.feature in contract.names else None
    quiet = trained.scores(held.take(held.labels == recipe.benign).values)
    assessed: Document = {
        "parts": {name: found_in(trained, part, recipe.bands, place) for name, part in parts.items()},
        "operating_points": operating_points(trained, quiet, parts),
        "trained_on": sorted({str(label) for label in seen.labels}),
        "novelty": marked_novel(ranged, parts),
        "drift": drift_of_parts(seen, parts, contract),
    }
    if unseen is not None and options.thorough:
        assessed["unlike"] = unlike_training(fit, rows, unseen, threshold, seed)
        assessed["novelty"] |= marked_unlike_training(fit, contract, rows, recipe.benign, seed)
    if options.repeats > 1:
        seeds = range(seed, seed + options.repeats)
        assessed["seeds"] = {"first": seed, "runs": options.repeats}
        assessed["spread"] = spread(fit, rows, seeds, recipe.figures, tests)
    figures = {name: recipe.figures(trained, part) for name, part in parts.items()}
    return Run(recipe, ranged, seen, held, parts, figures, assessed)


def parts_by_name(held: Rows, tests: Mapping[str, Rows]) -> dict[str, Rows]:
    """What a model is measured on: the held-out rows of each source, and the test files."""
    return parts_of(held) | dict(tests)
