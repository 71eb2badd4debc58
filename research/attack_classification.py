"""Train the attack classifier: correlation removal, scaler, label encoder, and a decision tree or a forest."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.build import Origin, attack_bundle, class_ids, serve_attack
from netheal.bundles.parity import Evidence, LoadedGraph
from netheal.bundles.probability import label_onnx
from netheal.bundles.scaling import standard
from netheal.bundles.served import ServedBundle
from netheal.bundles.tree import tree_from_arrays
from netheal.contracts import Contract, attack_classes
from research.artefacts import Files, profile, save, with_definitions
from research.assessment import Bands
from research.datasets import Rows, first_of_each, flow_rows, joined
from research.flows import candidate_features, correlated, read_flows
from research.forest import served_form, train_forest
from research.histograms_of_bundle import add_histograms
from research.measures import class_figures
from research.novelty_of_bundle import add_novelty
from research.options import parsed, training_parser
from research.selection import selected_contract, shipped_contract, told_of
from research.tables import DataFile, Dropped, describe
from research.training import Recipe, Run, run
from research.weights import row_weights

KINDS = {"tree": "decision_tree", "forest": "random_forest"}
FILES = Files("attack_classifier.joblib", "attack_classifier_profile.json")
STEPS = ["correlation removal", "infinite values to 0.0", "standard scaling"]
NOTES = "A missing value is an error. An infinite value is 0.0 before scaling."
BANDS = Bands(
    " Flow Packets/s",
    (1.0, 1000.0),
    ("slow, below 1 packet/s", "1 to 1,000 packets/s", "bursty, above 1,000 packets/s"),
)


@dataclass(frozen=True)
class Trained:
    """A trained classifier and what it takes."""

    contract: Contract
    scaler: StandardScaler
    encoder: LabelEncoder
    model: DecisionTreeClassifier | RandomForestClassifier
    benign: str = attack_classes().benign

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the votes of each of the encoder's classes by scikit-learn, for unscaled rows, [N, k]."""
        return np.asarray(self.model.predict_proba(self.scaler.transform(values)))

    def answers(self, values: NDArray[np.float64]) -> NDArray[np.object_]:
        """Class names of unscaled rows, [N]."""
        names: NDArray[np.object_] = self.encoder.classes_[self.shares(values).argmax(axis=1)]
        return names

    @property
    def answer_count(self) -> int:
        """The product's classes: served, the votes are shared by all of them."""
        return len(attack_classes().names)

    def largest_shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The votes for the class that is named, [N]."""
        return np.asarray(self.shares(values).max(axis=1))

    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The votes for any attack, [N]."""
        quiet = self.encoder.classes_ == self.benign
        return np.asarray(1.0 - self.shares(values)[:, quiet].sum(axis=1)).clip(0.0, 1.0)

    def never_predicted(self) -> list[str]:
        """Classes of the product that are the answer of no leaf."""
        trees = getattr(self.model, "estimators_", [self.model])
        leaves = [tree.tree_.value[tree.tree_.children_left == -1, 0, :].argmax(axis=1) for tree in trees]
        possible = set(self.encoder.classes_[np.unique(np.concatenate(leaves))])
        return [name for name in attack_classes().names if name not in possible]

    def serve(self, origin: Origin, rows: NDArray[np.float64]) -> ServedBundle:
        """The served form, its parity proved on `rows`."""
        ids = [attack_classes().id_of(name) for name in self.answers(rows)]
        evidence = Evidence(rows, self.shares(rows).max(axis=1), np.array(ids, dtype=np.int64))
        scaling, names = standard(self.scaler.mean_, self.scaler.scale_), self.encoder.classes_.tolist()
        if isinstance(self.model, RandomForestClassifier):
            onnx = label_onnx(served_form(self.model), len(self.contract.names), scaling, class_ids(names))
            return attack_bundle(LoadedGraph(onnx), self.contract, origin, evidence, "vote_share")
        inner = self.model.tree_
        tree = tree_from_arrays(inner.children_left, inner.children_right, inner.feature, inner.threshold, inner.value)
        return serve_attack(tree, scaling, self.contract, names, origin, evidence)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, and write every artefact."""
    options = _options(arguments)
    dropped = Dropped()
    frames = [read_flows(path) for path in options.train_files]
    candidates = candidate_features(frames)
    wanted = shipped_contract(options.contract, "attack_classifier")
    removed = (
        [name for name in candidates if name not in wanted.names]
        if wanted
        else correlated(frames, candidates, options.correlation_threshold)
    )
    kept = [name for name in candidates if name not in removed]
    contract = wanted or selected_contract(kept, "attack_classifier", options.declared)
    print(f"{len(contract.names)} features, {len(removed)} removed; {told_of(contract)}")
    parts = zip(frames, options.train_files, strict=True)
    rows = first_of_each(joined([flow_rows(frame, contract, path, dropped) for frame, path in parts]), dropped)
    tests, files = _tests(options, contract, dropped)
    described = zip(options.train_files, frames, strict=True)
    files = [describe("training and held out", path, len(frame)) for path, frame in described] + files
    recipe = Recipe(lambda _: partial(_fit, contract, options), _figures, attack_classes().benign, BANDS, "cic_ids2017")
    if options.novelty_of is not None:
        add_novelty(options.novelty_of, recipe, contract, rows, tests, options)
        return
    if options.histograms_of is not None:
        add_histograms(options.histograms_of, contract, rows, tests, options)
        return
    found = run(recipe, contract, rows, tests, options)
    _save(found, options, removed, files, dropped)


def _tests(options: argparse.Namespace, contract: Contract, dropped: Dropped) -> tuple[dict[str, Rows], list[DataFile]]:
    """Rows of each test file by its name."""
    frames = {path: read_flows(path) for path in options.test_files}
    files = [describe("test only", path, len(frame)) for path, frame in frames.items()]
    return {path.name: flow_rows(frame, contract, path, dropped) for path, frame in frames.items()}, files


def _fit(contract: Contract, options: argparse.Namespace, seen: Rows, seed: int) -> Trained:
    encoder, scaler = LabelEncoder().fit(seen.labels), StandardScaler().fit(seen.values)
    values, labels = scaler.transform(seen.values), encoder.transform(seen.labels)
    weights = row_weights(seen.labels, options.class_weights)
    if options.model == "forest":
        limits = {"max_leaf_nodes": options.max_leaf_nodes, "min_samples_leaf": options.min_samples_leaf}
        return Trained(contract, scaler, encoder, train_forest(values, labels, weights, seed, **limits))
    tree = DecisionTreeClassifier(max_depth=options.max_depth, random_state=seed)
    return Trained(contract, scaler, encoder, tree.fit(values, labels, sample_weight=weights))


def _figures(model: Trained, rows: Rows) -> dict[str, Any]:
    classes = attack_classes()
    return class_figures(rows.labels, model.answers(rows.values), classes.names, classes.benign)


def _save(found: Run, options: argparse.Namespace, removed: list[str], files: list[DataFile], dropped: Dropped) -> None:
    """The bundle and everything beside it."""
    trained: Trained = found.trained
    classes = [str(name) for name in trained.encoder.classes_]
    layout = {
        "artifacts": {
            "label_encoder": trained.encoder,
            "scaler": trained.scaler,
            "feature_columns": list(trained.contract.names),
            "removed_columns": removed,
            "class_mapping": dict(enumerate(classes)),
        },
        "model": trained.model,
        "correlation_threshold": options.correlation_threshold,
        "max_depth": trained.model.max_depth,
        "random_state": options.random_state,
    }
    facts = found.facts(files, dropped, options.random_state) | {"never_predicted": trained.never_predicted()}
    bundle = save(
        options.output_dir,
        FILES,
        layout,
        with_definitions(
            profile(trained.contract.names, classes, NOTES, STEPS, "StandardScaler", found.ranges_document),
            options.definitions,
        ),
        lambda sha256: trained.serve(Origin(options.version, sha256, facts), found.proof),
        found.histograms_document,
    )
    introduction = _introduction(trained, facts, options, removed)
    found.write(bundle, introduction, dropped, options, Path(__file__).name)


def _introduction(trained: Trained, facts: dict[str, Any], options: argparse.Namespace, removed: list[str]) -> str:
    """What the model is, in a paragraph."""
    contract, never = trained.contract, facts["never_predicted"]
    absent = [name for name in never if name not in trained.encoder.classes_]
    model = (
        f"A forest of {len(trained.model.estimators_)} trees of at most {options.max_leaf_nodes} leaves"
        if options.model == "forest"
        else f"A decision tree of depth {trained.model.get_depth()} (at most {options.max_depth}) with"
        f" {trained.model.get_n_leaves()} leaves"
    )
    chosen = (
        "named by the command"
        if options.contract
        else f"left after {len(removed)} were removed that correlate above {options.correlation_threshold} with one"
        " before them, over all rows of all training files"
    )
    return (
        f"Names the kind of attack of a flow. {model} over {len(contract.names)} features, contract `{contract.id}`"
        f" (`{contract.hash}`), {chosen}. Class weights: {options.class_weights}. Its confidence is the share of votes"
        " for the class that it names, and no probability: see the calibration below.\n\n"
        f"Classes that this model never names: {', '.join(never) or 'none'}; of these, not in the training rows at"
        f" all: {', '.join(absent) or 'none'}."
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = training_parser(__doc__, KINDS, "attack_classifier")
    add = parser.add_argument
    threshold = ("--correlation-threshold", "--correlation_threshold")
    add(*threshold, type=float, default=0.85, help="a feature goes that correlates more with one before it")
    add("--max-depth", "--max_depth", type=int, default=10, help="of the tree")
    add("--max-leaf-nodes", type=int, default=280, help="of each tree of the forest")
    add("--min-samples-leaf", type=int, default=1, help="least training rows of a leaf of the forest")
    return parsed(parser, arguments, KINDS)


if __name__ == "__main__":
    main()
