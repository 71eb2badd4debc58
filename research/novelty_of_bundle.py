"""Adds ranges of the training rows, and how often a missed attack is marked novel, to a bundle that is trained."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.served import ServedBundle, read_served
from netheal.bundles.training_ranges import PROFILE_KEY
from netheal.contracts import Contract
from research.artefacts import CARD_FILE, profile_text, replace_section
from research.datasets import Rows, split
from research.findings import MISSED_TITLE, novelty_section
from research.metrics import add_metrics
from research.novelty import marked_novel, marked_unlike_training, with_limit
from research.served_model import ServedVoter
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
    _require_trained_on(bundle, contract, {"train": len(seen)} | {name: len(part) for name, part in parts.items()})
    model = with_limit(ServedVoter(bundle), contract, seen, held)
    found = marked_novel(model, parts)
    if options.thorough:
        fit = recipe.fit_at(bundle.manifest.threshold)
        found |= marked_unlike_training(fit, contract, rows, recipe.benign, seed)
    bundle = _with_profile(folder, bundle, model.ranges.document(contract))
    bundle.write_manifest(folder)
    section = novelty_section(bundle.manifest.confidence_kind, found)
    card = folder / CARD_FILE
    card.write_text(replace_section(card.read_text("utf-8"), section, after=MISSED_TITLE), "utf-8")
    add_metrics(folder, {"novelty": found})
    print(section)


def _require_trained_on(bundle: ServedBundle, contract: Contract, rows: Mapping[str, int]) -> None:
    training = bundle.manifest.training
    if bundle.contract.hash != contract.hash or training.get("rows") != rows:
        raise SystemExit(
            f"these options did not train {bundle.manifest.version}: it has contract {bundle.contract.id} and rows"
            f" {training.get('rows')}, they give {contract.id} and {dict(rows)}. Give those of its card"
        )


def _with_profile(folder: Path, bundle: ServedBundle, ranges: Mapping[str, Any]) -> ServedBundle:
    """Write the profile; the committed manifest with what an examination finds with it."""
    (source,), (path,) = folder.glob("*.joblib"), folder.glob("*_profile.json")
    text = profile_text(json.loads(path.read_text("utf-8")) | {PROFILE_KEY: ranges})
    manifest = bundle.manifest
    request = ExaminationRequest(source.suffix, manifest.model_type, text.encode(), manifest.version)
    examined = examine(memoryview(source.read_bytes()), request)
    if examined.bundle is None or examined.bundle.onnx != bundle.onnx:
        raise SystemExit(
            f"{source.name} does not give the graph beside it: {examined.report.reason or 'train it again'}"
        )
    path.write_text(text, "utf-8")
    told = examined.bundle.manifest
    return ServedBundle(
        replace(manifest, confidence_kind=told.confidence_kind, training_ranges=told.training_ranges), bundle.onnx
    )
