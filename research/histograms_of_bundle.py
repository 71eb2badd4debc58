"""Adds histograms of the training rows, and how far others lie from them, to a bundle that is trained."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from netheal.bundles.served import read_served
from netheal.bundles.training_histograms import PROFILE_KEY
from netheal.contracts import Contract
from research.artefacts import CARD_FILE, replace_section
from research.datasets import Rows, split
from research.findings import CALIBRATION_TITLE, drift_section
from research.histograms import drift_of_parts, training_histograms
from research.metrics import add_metrics
from research.trained_bundle import add_to_profile, require_trained_on
from research.training import parts_by_name


def add_histograms(
    folder: Path, contract: Contract, rows: Rows, tests: Mapping[str, Rows], options: argparse.Namespace
) -> None:
    """Write them into profile and manifest, and what drift they find into card and metrics.

    Exits where the options are not those that trained the bundle.
    """
    bundle = read_served(folder)
    seen, held = split(rows, options.random_state)
    parts = parts_by_name(held, tests)
    require_trained_on(bundle, contract, {"train": len(seen)} | {name: len(part) for name, part in parts.items()})
    document = training_histograms(bundle, seen, held).document(contract)
    written = add_to_profile(folder, bundle, {PROFILE_KEY: document})
    drift = drift_of_parts(seen, parts, contract)
    card = folder / CARD_FILE
    section = drift_section(drift)
    card.write_text(replace_section(card.read_text("utf-8"), section, after=CALIBRATION_TITLE), "utf-8")
    add_metrics(folder, {"drift": drift})
    print(section)
    print(f"{written.manifest.version} has histograms of {len(seen):,} training rows; its bundle is {written.hash} now")
