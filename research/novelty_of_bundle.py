"""Adds ranges of the training rows, and how often a missed attack is marked novel, to a bundle that is trained."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from netheal.bundles.served import read_served
from netheal.bundles.training_ranges import PROFILE_KEY
from netheal.contracts import Contract
from research.artefacts import CARD_FILE, replace_section
from research.datasets import Rows, split
from research.findings import MISSED_TITLE, novelty_section
from research.metrics import add_metrics
from research.novelty import marked_novel, marked_unlike_training, with_limit
from research.served_model import ServedVoter
from research.trained_bundle import add_to_profile, require_trained_on
from research.training import Recipe, parts_by_name


def add_novelty(
    folder: Path,
    recipe: Recipe,
    contract: Contract,
    rows: Rows,
    tests: Mapping[str, Rows],
    options: argparse.Namespace,
) -> None:
    """Measure the bundle in the folder on the rows that it was trained and measured on; its graph stays as it is.

    Profile, manifest, card and metrics are written anew. Exits where the options are not those that trained it.
    """
    bundle, seed = read_served(folder), options.random_state
    seen, held = split(rows, seed)
    parts = parts_by_name(held, tests)
    require_trained_on(bundle, contract, {"train": len(seen)} | {name: len(part) for name, part in parts.items()})
    model = with_limit(ServedVoter(bundle), contract, seen, held)
    found = marked_novel(model, parts)
    if options.thorough:
        fit = recipe.fit_at(bundle.manifest.threshold)
        found |= marked_unlike_training(fit, contract, rows, recipe.benign, seed)
    bundle = add_to_profile(folder, bundle, {PROFILE_KEY: model.ranges.document(contract)})
    section = novelty_section(bundle.manifest.confidence_kind, found)
    card = folder / CARD_FILE
    card.write_text(replace_section(card.read_text("utf-8"), section, after=MISSED_TITLE), "utf-8")
    add_metrics(folder, {"novelty": found})
    print(section)
