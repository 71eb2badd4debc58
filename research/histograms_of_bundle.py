"""Adds histograms of the training rows to a bundle that is trained."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from netheal.bundles.served import read_served
from netheal.bundles.training_histograms import PROFILE_KEY
from netheal.contracts import Contract
from research.datasets import Rows, split
from research.histograms import training_histograms
from research.trained_bundle import add_to_profile, require_trained_on
from research.training import parts_by_name


def add_histograms(
    folder: Path, contract: Contract, rows: Rows, tests: Mapping[str, Rows], options: argparse.Namespace
) -> None:
    """Write them into profile and manifest; exits where the options are not those that trained the bundle."""
    bundle = read_served(folder)
    seen, held = split(rows, options.random_state)
    parts = parts_by_name(held, tests)
    require_trained_on(bundle, contract, {"train": len(seen)} | {name: len(part) for name, part in parts.items()})
    document = training_histograms(bundle, seen, held).document(contract)
    written = add_to_profile(folder, bundle, {PROFILE_KEY: document})
    print(f"{written.manifest.version} has histograms of {len(seen):,} training rows; its bundle is {written.hash} now")
