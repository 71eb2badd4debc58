"""Train the threat detector: encoders, feature elimination, scaler, and an ANN and an LSTM averaged, or a forest."""

import argparse
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import LabelEncoder, RobustScaler

from netheal.bundles.build import Origin
from netheal.bundles.parity import run_graph
from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from netheal.contracts.verdict import DEFAULT_THRESHOLD
from research.artefacts import Files, profile, save, with_definitions
from research.assessment import Bands
from research.connections import (
    LABEL,
    NORMAL,
    attack_names,
    encoded,
    fit_encoders,
    is_attack,
    matrix,
    read_connections,
    select_features,
)
from research.datasets import Rows, connection_rows, first_of_each, joined
from research.detectors import EnsembleDetector, ForestDetector, ThreatDetector
from research.forest import train_forest
from research.histograms_of_bundle import add_histograms
from research.measures import score_figures
from research.novelty_of_bundle import add_novelty
from research.options import parsed, training_parser
from research.selection import selected_contract, shipped_contract, told_of
from research.tables import DataFile, Dropped, describe, valid_rows
from research.training import Recipe, Run, run
from research.weights import row_weights

KINDS = {"ensemble": "ensemble", "forest": "random_forest"}
FILES = {
    "ensemble": Files("threat_detector_ensemble.joblib", "threat_detector_profile.json"),
    "forest": Files("threat_detector.joblib", "threat_detector_profile.json"),
}
STEPS = {
    "ensemble": ["label encoding of categories", "recursive feature elimination", "robust scaling", "clip to ±4"],
    "forest": ["label encoding of categories", "recursive feature elimination", "robust scaling"],
}
CLASSES = ["Normal", "Attack"]
NOTES = "Missing or infinite values and unknown categories are errors."
BANDS = Bands("count", (3.0, 100.0), ("slow, 1 or 2 connections in 2 s", "3 to 99", "bursty, 100 and more"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, and write every artefact."""
    options = _options(arguments)
    dropped = Dropped()
    frames = [read_connections(path) for path in options.train_files]
    whole = pd.concat(frames, ignore_index=True)
    encoders = fit_encoders(whole)
    contract = shipped_contract(options.contract, "threat_detector") or _selected(whole, encoders, options)
    print(f"{len(contract.names)} features: {', '.join(contract.names)}; {told_of(contract)}")
    parts = zip(frames, options.train_files, strict=True)
    rows = joined([connection_rows(frame, encoders, contract, path, dropped) for frame, path in parts])
    rows = first_of_each(rows, dropped)
    others = {path: read_connections(path) for path in options.test_files}
    tests = {path.name: connection_rows(frame, encoders, contract, path, dropped) for path, frame in others.items()}
    named = zip(options.train_files, frames, strict=True)
    files = [describe("training and held out", path, len(frame)) for path, frame in named]
    files += [describe("test only", path, len(frame)) for path, frame in others.items()]
    recipe = _recipe(contract, encoders, options)
    if options.novelty_of is not None:
        add_novelty(options.novelty_of, recipe, contract, rows, tests, options)
        return
    if options.histograms_of is not None:
        add_histograms(options.histograms_of, contract, rows, tests, options)
        return
    found = run(recipe, contract, rows, tests, options)
    bundle = _save(found, options, files, dropped)
    if options.predict_csv:
        _predict(options, found.trained, bundle)


def _selected(frame: pd.DataFrame, encoders: dict[str, LabelEncoder], options: argparse.Namespace) -> Contract:
    coded, _ = encoded(frame, encoders, "training files", Dropped())
    names = select_features(coded, is_attack(attack_names(frame)), options.n_features)
    return selected_contract(names, "threat_detector", options.declared)


def _recipe(contract: Contract, encoders: dict[str, LabelEncoder], options: argparse.Namespace) -> Recipe:
    return Recipe(
        fit_at=lambda threshold: partial(_fit, contract, encoders, options, threshold),
        figures=_figures,
        benign=NORMAL,
        bands=BANDS,
        data_set="nsl_kdd",
        threshold=DEFAULT_THRESHOLD if options.threshold is None else options.threshold,
        chooses=options.threshold is None and options.model == "forest",
    )


def _fit(
    contract: Contract,
    encoders: dict[str, LabelEncoder],
    options: argparse.Namespace,
    threshold: float | None,
    seen: Rows,
    seed: int,
) -> ThreatDetector:
    scaler, served = RobustScaler().fit(seen.values), DEFAULT_THRESHOLD if threshold is None else threshold
    scaled, attack = scaler.transform(seen.values), is_attack(seen.labels)
    weights = row_weights(seen.labels, options.class_weights)
    if options.model == "forest":
        forest = train_forest(scaled, attack, weights, seed, min_samples_leaf=options.min_samples_leaf)
        return ForestDetector(contract, encoders, scaler, served, seed, forest=forest)
    from research.ensemble import train

    ensemble = train(scaled, attack, weights, seed, options.epochs)
    return EnsembleDetector(contract, encoders, scaler, served, seed, ensemble=ensemble)


def _figures(model: ThreatDetector, rows: Rows) -> dict[str, Any]:
    return score_figures(is_attack(rows.labels), model.scores(rows.values), model.threshold)


def _save(found: Run, options: argparse.Namespace, files: list[DataFile], dropped: Dropped) -> ServedBundle:
    """The bundle and everything beside it."""
    trained: ThreatDetector = found.trained
    facts = found.facts(files, dropped, options.random_state)
    bundle = save(
        options.output_dir,
        FILES[options.model],
        trained.layout(options.version),
        with_definitions(
            profile(
                trained.contract.names,
                CLASSES,
                NOTES,
                STEPS[options.model],
                "RobustScaler",
                found.ranges_document,
            ),
            options.definitions,
        ),
        lambda sha256: trained.serve(Origin(options.version, sha256, facts), found.proof),
        found.histograms_document,
    )
    found.write(bundle, _introduction(bundle, options), dropped, options, Path(__file__).name)
    return bundle


def _introduction(bundle: ServedBundle, options: argparse.Namespace) -> str:
    """What the model is, in a paragraph."""
    manifest = bundle.manifest
    sizes = ", ".join(f"{name} {len(values)}" for name, values in manifest.encoders.items()) or "none"
    model = {
        "ensemble": "the mean score of a dense network (64-32) and an LSTM (32)",
        "forest": f"the share of votes of a forest whose leaves hold at least {options.min_samples_leaf} rows",
    }[options.model]
    chosen = (
        " The threshold, chosen from training rows alone, is the one where the mean over attacks that a model was not"
        " trained on of what it finds lies farthest above the share of alarms among normal connections of services that"
        " a model was not trained on."
        if options.model == "forest" and options.threshold is None
        else ""
    )
    features = "named by the command" if options.contract else "eliminated recursively over the whole training files"
    return (
        f"Tells attacks from normal connections: {model}, at or above {manifest.threshold} is an attack.{chosen}"
        f" Class weights: {options.class_weights}, a class being an attack's name or normal. Contract"
        f" `{bundle.contract.id}` (`{bundle.contract.hash}`).\n\n"
        f"Features, in order: {', '.join(f'`{name}`' for name in bundle.contract.names)}; {features}. Categories,"
        f" of the whole training files: {sizes}."
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = training_parser(__doc__, KINDS, "threat_detector")
    add = parser.add_argument
    add("--n-features", "--n_features", type=int, default=10, help="how many features elimination leaves")
    add("--threshold", type=float, help="score of an attack; default: 0.5, of the forest chosen from training rows")
    add("--min-samples-leaf", type=int, default=20, help="least training rows of a leaf of the forest")
    add("--epochs", type=int, default=30, help="most epochs of the networks, which end early")
    add("--predict-csv", "--predict_csv", type=Path, help="a file to score with the new model")
    add("--output-preds", "--output_preds", type=Path, help="where its scores are written")
    options = parsed(parser, arguments, KINDS)
    if bool(options.predict_csv) != bool(options.output_preds):
        parser.error("--predict-csv and --output-preds go together")
    if options.model == "ensemble" and find_spec("tensorflow") is None:
        parser.error("the ensemble needs TensorFlow, which `make dev` installs; --model forest does without")
    if options.threshold is not None and not 0 < options.threshold < 1:
        parser.error("--threshold lies between 0 and 1")
    return options


def _predict(options: argparse.Namespace, trained: ThreatDetector, bundle: ServedBundle) -> None:
    """Score a file with the served form; a row that cannot be scored has an empty score."""
    frame, dropped = read_connections(options.predict_csv), Dropped()
    wanted = {name: e for name, e in trained.encoders.items() if name in trained.contract.names}
    coded, known = encoded(frame, wanted, options.predict_csv.name, dropped)
    values = matrix(coded[known], trained.contract.names)
    values, valid = valid_rows(values, trained.contract, options.predict_csv.name, dropped)
    scores = pd.Series(np.nan, index=frame.index, name="score")
    scores[frame.index[known][valid]] = run_graph(bundle.onnx, values[valid])["score"]
    words = np.where(scores.isna(), "", np.where(scores >= trained.threshold, "Attack", "Normal"))
    answers = frame.drop(columns=LABEL, errors="ignore").assign(score=scores, prediction=words)
    answers.to_csv(options.output_preds, index=False)


if __name__ == "__main__":
    main()
