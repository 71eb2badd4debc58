"""Train the attack classifier: correlation removal, scaler, label encoder, decision tree."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.build import Origin, contract_for, serve_attack
from netheal.bundles.parity import Evidence
from netheal.bundles.scaling import standard
from netheal.bundles.served import ServedBundle
from netheal.bundles.tree import tree_from_arrays
from netheal.contracts import Contract, attack_classes
from research import card
from research.artefacts import default_version, profile, save, write_card
from research.flows import candidate_features, correlated, first_of_each, labelled_rows, read_flows
from research.measures import class_figures
from research.tables import DataFile, Dropped, describe

FILES = ("attack_classifier.joblib", "attack_classifier_profile.json")
HELD_OUT = 0.2
STEPS = ["correlation removal", "infinite values to 0.0", "standard scaling"]
NOTES = "A missing value is an error. An infinite value is 0.0 before scaling."


@dataclass(frozen=True)
class Rows:
    """Unscaled rows, double [N, n], and class names [N]."""

    values: NDArray[np.float64]
    labels: NDArray[np.object_]


@dataclass(frozen=True)
class Trained:
    """A trained classifier and what it takes."""

    contract: Contract
    removed: list[str]
    scaler: StandardScaler
    encoder: LabelEncoder
    model: DecisionTreeClassifier

    def predict(self, values: NDArray[np.float64]) -> NDArray[np.object_]:
        """Class names of unscaled rows by scikit-learn, [N]."""
        names: NDArray[np.object_] = self.encoder.inverse_transform(self.model.predict(self.scaler.transform(values)))
        return names

    def layout(self, threshold: float, random_state: int) -> dict[str, Any]:
        """The training layout."""
        classes = [str(name) for name in self.encoder.classes_]
        return {
            "artifacts": {
                "label_encoder": self.encoder,
                "scaler": self.scaler,
                "feature_columns": list(self.contract.names),
                "removed_columns": self.removed,
                "class_mapping": dict(enumerate(classes)),
            },
            "model": self.model,
            "correlation_threshold": threshold,
            "max_depth": self.model.max_depth,
            "random_state": random_state,
        }

    def serve(self, origin: Origin, rows: NDArray[np.float64]) -> ServedBundle:
        """The served form, its parity proved on `rows`."""
        inner = self.model.tree_
        tree = tree_from_arrays(inner.children_left, inner.children_right, inner.feature, inner.threshold, inner.value)
        ids = [attack_classes().id_of(name) for name in self.predict(rows)]
        confidence = self.model.predict_proba(self.scaler.transform(rows)).max(axis=1)
        return serve_attack(
            tree,
            standard(self.scaler.mean_, self.scaler.scale_),
            self.contract,
            self.encoder.classes_[self.model.classes_].tolist(),
            origin,
            Evidence(rows, confidence, np.array(ids, dtype=np.int64)),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, and write every artefact."""
    options = _options(arguments)
    dropped = Dropped()
    rows, contract, removed, files = _read(options, dropped)
    print(f"{len(contract.names)} features ({contract.id}), {len(removed)} removed by correlation")
    seen, held = _split(rows, options.random_state)
    trained = _train(seen, contract, removed, options)
    measured, proof = {"held_out": held}, rows.values
    if options.test_files:
        measured["test"], read = _test_rows(options.test_files, contract, dropped)
        files += read
        proof = np.concatenate([proof, measured["test"].values])
    facts = _facts(options, trained, seen, measured, files, dropped)
    bundle = save(
        options.output_dir,
        FILES,
        trained.layout(options.correlation_threshold, options.random_state),
        profile(contract.names, trained.encoder.classes_.tolist(), NOTES, STEPS, "StandardScaler"),
        lambda sha256: trained.serve(Origin(options.version, sha256, facts), proof),
    )
    write_card(options.output_dir, _sections(bundle, trained, files, dropped, options))


def _facts(
    options: argparse.Namespace,
    trained: Trained,
    seen: Rows,
    measured: dict[str, Rows],
    files: list[DataFile],
    dropped: Dropped,
) -> dict[str, Any]:
    """What the manifest and the card say of the training."""
    classes = attack_classes()
    possible = _predictable(trained)
    return {
        "files": [asdict(file) for file in files],
        "left_out": dropped.counts,
        "rows": {"train": len(seen.values), "held_out": len(measured["held_out"].values)},
        "random_state": options.random_state,
        "max_depth": options.max_depth,
        "never_predicted": [name for name in classes.names if name not in possible],
        "figures": {
            part: class_figures(rows.labels, trained.predict(rows.values), classes.names, classes.benign)
            for part, rows in measured.items()
        },
    }


def _sections(
    bundle: ServedBundle,
    trained: Trained,
    files: list[DataFile],
    dropped: Dropped,
    options: argparse.Namespace,
) -> list[str]:
    """The model card's sections, in order."""
    figures = bundle.manifest.training["figures"]
    sections = [
        _introduction(bundle, trained, options),
        card.data_section(files, dropped),
        card.figures_section("Held-out rows of the training files", figures["held_out"]),
    ]
    if "test" in figures:
        other = ", ".join(path.name for path in options.test_files)
        sections.append(card.figures_section(f"Another data set: {other}", figures["test"]))
    return [
        *sections,
        card.parity_section(bundle.manifest.parity),
        card.defects_section("cic_ids2017"),
        card.command_section(Path(__file__).name, options.command, ["numpy", "scikit-learn", "onnx", "onnxruntime"]),
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--train_csvs",
        type=Path,
        nargs="+",
        required=True,
        help="CSV, csv.gz or Parquet; features by the first",
    )
    parser.add_argument("--test_files", type=Path, nargs="*", default=[], help="another data set to measure on")
    parser.add_argument("--correlation_threshold", type=float, default=0.85)
    parser.add_argument("--max_depth", type=int, default=10)
    parser.add_argument("--random_state", type=int, default=42)
    parser.add_argument("--output_dir", type=Path, default=Path("research/models/attack_classifier"))
    parser.add_argument("--version", default=default_version("decision_tree"))
    options = parser.parse_args(arguments)
    options.command = sys.argv[1:] if arguments is None else arguments
    return options


def _read(options: argparse.Namespace, dropped: Dropped) -> tuple[Rows, Contract, list[str], list[DataFile]]:
    """Training rows of all files; correlation is removed over the first file alone, and holds for all."""
    frames = [read_flows(path) for path in options.train_csvs]
    candidates = candidate_features(frames[0])
    removed = correlated(frames[0], candidates, options.correlation_threshold)
    contract = contract_for([name for name in candidates if name not in removed], "attack_classifier")
    files = [
        describe("training and held-out", path, len(frame))
        for path, frame in zip(options.train_csvs, frames, strict=True)
    ]
    rows = _joined(frames, options.train_csvs, contract, dropped)
    return Rows(*first_of_each(rows.values, rows.labels, dropped)), contract, removed, files


def _test_rows(paths: list[Path], contract: Contract, dropped: Dropped) -> tuple[Rows, list[DataFile]]:
    frames = [read_flows(path) for path in paths]
    files = [describe("test only", path, len(frame)) for path, frame in zip(paths, frames, strict=True)]
    return _joined(frames, paths, contract, dropped), files


def _joined(frames: list[Any], paths: list[Path], contract: Contract, dropped: Dropped) -> Rows:
    parts = [labelled_rows(frame, contract, path.name, dropped) for path, frame in zip(paths, frames, strict=True)]
    return Rows(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))


def _split(rows: Rows, random_state: int) -> tuple[Rows, Rows]:
    """80 and 20 per cent in every class; the only row of a class is trained on."""
    names, counts = np.unique(rows.labels.astype(str), return_counts=True)
    alone = np.isin(rows.labels.astype(str), names[counts < 2])
    places = np.flatnonzero(~alone)
    seen, held = train_test_split(
        places, test_size=HELD_OUT, stratify=rows.labels[places].astype(str), random_state=random_state
    )
    seen = np.concatenate([seen, np.flatnonzero(alone)])
    return Rows(rows.values[seen], rows.labels[seen]), Rows(rows.values[held], rows.labels[held])


def _train(seen: Rows, contract: Contract, removed: list[str], options: argparse.Namespace) -> Trained:
    encoder = LabelEncoder().fit(seen.labels)
    scaler = StandardScaler().fit(seen.values)
    model = DecisionTreeClassifier(max_depth=options.max_depth, random_state=options.random_state)
    model.fit(scaler.transform(seen.values), encoder.transform(seen.labels))
    return Trained(contract, removed, scaler, encoder, model)


def _predictable(trained: Trained) -> set[str]:
    """Classes that are the answer of some leaf."""
    tree = trained.model.tree_
    best = tree.value[tree.children_left == -1, 0, :].argmax(axis=1)
    return {str(name) for name in trained.encoder.classes_[trained.model.classes_[best]]}


def _introduction(bundle: ServedBundle, trained: Trained, options: argparse.Namespace) -> str:
    manifest, model, facts = bundle.manifest, trained.model, bundle.manifest.training
    never = facts["never_predicted"]
    absent = [name for name in never if name not in trained.encoder.classes_]
    return (
        f"# Attack classifier {manifest.version}\n\n"
        f"Names the kind of attack of a flow. A decision tree of depth {model.get_depth()} (at most "
        f"{options.max_depth}) with {model.get_n_leaves()} leaves over {len(bundle.contract.names)} "
        f"features, contract `{bundle.contract.id}` (`{bundle.contract.hash}`). A feature was removed where "
        f"it correlates above {options.correlation_threshold} with one before it in all rows of "
        f"`{options.train_csvs[0].name}`: {len(trained.removed)} of them.\n\n"
        f"Trained on {facts['rows']['train']:,} rows; {facts['rows']['held_out']:,} were held out, a fifth "
        "of each class. Rows are not weighted.\n\n"
        f"Classes that this model can never answer: {', '.join(never) or 'none'}; of these, not in the "
        f"training rows at all: {', '.join(absent) or 'none'}."
    )


if __name__ == "__main__":
    main()
