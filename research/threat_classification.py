"""Train the threat detector: encoders, feature elimination, scaler, an ANN and an LSTM averaged."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder, RobustScaler

from netheal.bundles.build import Origin, contract_for, serve_threat
from netheal.bundles.neural import Network
from netheal.bundles.parity import Evidence, run_graph
from netheal.bundles.scaling import standard
from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from netheal.contracts.verdict import DEFAULT_THRESHOLD
from research import card
from research.artefacts import default_version, profile, save, write_card
from research.connections import (
    LABEL,
    encoded,
    fit_encoders,
    is_attack,
    matrix,
    read_connections,
    select_features,
)
from research.ensemble import Ensemble, plain_config, train
from research.measures import score_figures
from research.tables import DataFile, Dropped, describe, valid_rows

FILES = ("threat_detector_ensemble.joblib", "threat_detector_profile.json")
HELD_OUT = 0.2
STEPS = [
    "label encoding of service and flag",
    "recursive feature elimination",
    "robust scaling",
    "clip to ±4",
]
NOTES = "Missing or infinite values and unknown categories are errors. The clip is part of both networks."


@dataclass(frozen=True)
class Rows:
    """Unscaled rows, double [N, n], and 1 for an attack or 0 [N]."""

    values: NDArray[np.float64]
    attack: NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """A trained detector and what it takes."""

    contract: Contract
    encoders: dict[str, LabelEncoder]
    scaler: RobustScaler
    ensemble: Ensemble
    random_state: int

    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of unscaled rows by Keras, [N]."""
        return self.ensemble.scores(self.scaler.transform(values))

    def layout(self) -> dict[str, Any]:
        """The training layout."""
        return {
            "artifacts": {
                "encoders": self.encoders,
                "selected_features": list(self.contract.names),
                "scaler": self.scaler,
            },
            "ann_weights": self.ensemble.ann.get_weights(),
            "lstm_weights": self.ensemble.lstm.get_weights(),
            "ann_config": plain_config(self.ensemble.ann),
            "lstm_config": plain_config(self.ensemble.lstm),
            "n_features": len(self.contract.names),
            "random_state": self.random_state,
        }

    def serve(self, origin: Origin, rows: NDArray[np.float64]) -> ServedBundle:
        """The served form, its parity proved on `rows`."""
        networks = [self.ensemble.ann, self.ensemble.lstm]
        scores = self.scores(rows)
        return serve_threat(
            [Network(plain_config(network), network.get_weights()) for network in networks],
            standard(self.scaler.center_, self.scaler.scale_),
            self.contract,
            {name: e.classes_.tolist() for name, e in self.encoders.items() if name in self.contract.names},
            origin,
            Evidence(rows, scores, (scores >= DEFAULT_THRESHOLD).astype(np.int64)),
            DEFAULT_THRESHOLD,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, and write every artefact."""
    options = _options(arguments)
    dropped = Dropped()
    frame = read_connections(options.train_csv)
    encoders, attack = fit_encoders(frame), is_attack(frame)
    coded, _ = encoded(frame, encoders, options.train_csv.name, dropped)
    features = select_features(coded, attack, options.n_features)
    contract = contract_for(features, "threat_detector")
    print(f"selected features ({contract.id}): {', '.join(features)}")
    rows = _rows(frame, encoders, contract, options.train_csv.name, dropped)
    seen, held = _split(rows, options.random_state)
    scaler = RobustScaler().fit(seen.values)
    ensemble = train(scaler.transform(seen.values), seen.attack, options.random_state)
    trained = Trained(contract, encoders, scaler, ensemble, options.random_state)
    measured, files = {"held_out": held}, [describe("training and held-out", options.train_csv, len(frame))]
    if options.test_csv:
        other = read_connections(options.test_csv)
        measured["test"] = _rows(other, encoders, contract, options.test_csv.name, dropped)
        files.append(describe("test only", options.test_csv, len(other)))
    facts = _facts(options, trained, seen, measured, files, dropped)
    proof = np.concatenate([part.values for part in measured.values()])
    bundle = save(
        options.output_dir,
        FILES,
        trained.layout(),
        profile(features, ["Normal", "Attack"], NOTES, STEPS, "RobustScaler"),
        lambda sha256: trained.serve(Origin(options.version, sha256, facts), proof),
    )
    write_card(options.output_dir, _sections(bundle, files, dropped, options))
    if options.predict_csv:
        _predict(options, trained, bundle)


def _facts(
    options: argparse.Namespace,
    trained: Trained,
    seen: Rows,
    measured: dict[str, Rows],
    files: list[DataFile],
    dropped: Dropped,
) -> dict[str, Any]:
    """What the manifest and the card say of the training."""
    return {
        "files": [asdict(file) for file in files],
        "left_out": dropped.counts,
        "rows": {"train": len(seen.values), "held_out": len(measured["held_out"].values)},
        "random_state": options.random_state,
        "figures": {
            name: score_figures(part.attack, trained.scores(part.values), DEFAULT_THRESHOLD)
            for name, part in measured.items()
        },
    }


def _sections(bundle: ServedBundle, files: list[DataFile], dropped: Dropped, options: argparse.Namespace) -> list[str]:
    """The model card's sections, in order."""
    figures = bundle.manifest.training["figures"]
    sections = [
        _introduction(bundle),
        card.data_section(files, dropped),
        card.figures_section("Held-out rows of the training file", figures["held_out"]),
    ]
    if "test" in figures:
        sections.append(card.figures_section(f"Another data set: {files[-1].name}", figures["test"]))
    return [
        *sections,
        card.parity_section(bundle.manifest.parity),
        card.defects_section("nsl_kdd"),
        card.command_section(
            Path(__file__).name,
            options.command,
            ["numpy", "scikit-learn", "tensorflow-cpu", "keras", "onnx", "onnxruntime"],
        ),
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train_csv", type=Path, required=True, help="CSV with a `class` column, or NSL-KDD's")
    parser.add_argument("--test_csv", type=Path, help="another data set to measure on; never trained on")
    parser.add_argument("--n_features", type=int, default=10)
    parser.add_argument("--random_state", type=int, default=42)
    parser.add_argument("--predict_csv", type=Path)
    parser.add_argument("--output_preds", type=Path)
    parser.add_argument("--output_dir", type=Path, default=Path("research/models/threat_detector"))
    parser.add_argument("--version", default=default_version("ensemble"))
    options = parser.parse_args(arguments)
    options.command = sys.argv[1:] if arguments is None else arguments
    if bool(options.predict_csv) != bool(options.output_preds):
        parser.error("--predict_csv and --output_preds go together")
    return options


def _rows(
    frame: pd.DataFrame, encoders: dict[str, LabelEncoder], contract: Contract, source: str, dropped: Dropped
) -> Rows:
    wanted = {name: encoder for name, encoder in encoders.items() if name in contract.names}
    coded, known = encoded(frame, wanted, source, dropped)
    coded, attack = coded[known], is_attack(frame)[known]
    values, valid = valid_rows(matrix(coded, contract.names), contract, source, dropped)
    return Rows(values[valid], attack[valid])


def _split(rows: Rows, random_state: int) -> tuple[Rows, Rows]:
    seen, held = train_test_split(
        np.arange(len(rows.attack)), test_size=HELD_OUT, stratify=rows.attack, random_state=random_state
    )
    return Rows(rows.values[seen], rows.attack[seen]), Rows(rows.values[held], rows.attack[held])


def _introduction(bundle: ServedBundle) -> str:
    manifest, rows = bundle.manifest, bundle.manifest.training["rows"]
    sizes = ", ".join(f"{name} {len(values)}" for name, values in manifest.encoders.items()) or "none"
    return (
        f"# Threat detector {manifest.version}\n\n"
        "Tells attacks from normal connections: the mean score of a dense network (64-32) and an LSTM (32), "
        f"at or above {manifest.threshold} is an attack. Contract `{bundle.contract.id}` "
        f"(`{bundle.contract.hash}`).\n\n"
        f"Features, in order: {', '.join(f'`{name}`' for name in bundle.contract.names)}. "
        f"Encoded categories: {sizes}. Features were eliminated, and categories collected, over the whole "
        f"training file; scaler and networks saw {rows['train']:,} of its rows, and {rows['held_out']:,} "
        "were held out."
    )


def _predict(options: argparse.Namespace, trained: Trained, bundle: ServedBundle) -> None:
    """Score a file with the served form; a row that cannot be scored has an empty score."""
    frame, dropped = read_connections(options.predict_csv), Dropped()
    wanted = {name: e for name, e in trained.encoders.items() if name in trained.contract.names}
    coded, known = encoded(frame, wanted, options.predict_csv.name, dropped)
    values = matrix(coded[known], trained.contract.names)
    values, valid = valid_rows(values, trained.contract, options.predict_csv.name, dropped)
    scores = pd.Series(np.nan, index=frame.index, name="score")
    scores[frame.index[known][valid]] = run_graph(bundle.onnx, values[valid])["score"]
    words = np.where(scores.isna(), "", np.where(scores >= DEFAULT_THRESHOLD, "Attack", "Normal"))
    answers = frame.drop(columns=LABEL, errors="ignore").assign(score=scores, prediction=words)
    answers.to_csv(options.output_preds, index=False)


if __name__ == "__main__":
    main()
