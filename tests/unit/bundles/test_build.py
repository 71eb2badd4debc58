import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netheal.bundles.build import Origin, serve_attack, serve_threat
from netheal.bundles.neural import Network
from netheal.bundles.parity import Evidence, LoadedGraph, prove_parity
from netheal.bundles.scaling import Scaling
from netheal.bundles.served import ServedBundle, read_served
from netheal.bundles.tree import tree_from_arrays
from netheal.contracts import attack_classes, contract
from netheal.errors import BundleError

THREAT = contract("threat/v1")
ROWS = np.random.default_rng(5).uniform(0, 2, size=(50, 10))
KERNEL = np.full((10, 1), 0.1, dtype=np.float32)
NETWORK = Network(
    {"layers": [{"class_name": "Dense", "config": {"units": 1, "activation": "sigmoid"}}]},
    [KERNEL, np.array([-1.0], dtype=np.float32)],
)
SCORES = 1 / (1 + np.exp(1 - ROWS @ KERNEL.astype(np.float64)[:, 0]))
EVIDENCE = Evidence(ROWS, SCORES, (SCORES >= 0.5).astype(np.int64))
ORIGIN = Origin("ensemble_v1_20260101", "0" * 64, {"rows": {"train": 3}})


def threat(evidence: Evidence = EVIDENCE, **others: Any) -> ServedBundle:
    encoders = {"service": ["http", "smtp"], "flag": ["SF"]}
    return serve_threat([NETWORK], Scaling(), THREAT, encoders, ORIGIN, evidence, **others)


def attack(names: list[str]) -> ServedBundle:
    known = contract("attack/v1")
    tree = tree_from_arrays([1, -1, -1], [2, -1, -1], [0, -2, -2], [99.5, 0, 0], [[1, 1], [1, 0], [0, 1]])
    rows = np.zeros((2, len(known.names)))
    rows[1, 0] = 443
    ids = np.array([0, 11])
    return serve_attack(tree, Scaling(), known, names, ORIGIN, Evidence(rows, np.ones(2), ids))


def test_a_threat_bundle_says_what_it_was_made_of_and_proves_parity() -> None:
    bundle = threat()
    assert bundle.contract.hash == THREAT.hash
    assert bundle.manifest.encoders == {"service": ["http", "smtp"], "flag": ["SF"]}
    assert bundle.manifest.threshold == 0.5 and bundle.manifest.version == "ensemble_v1_20260101"
    assert bundle.manifest.parity["rows"] == 50 and bundle.manifest.parity["label_mismatches"] == 0
    assert 0 <= bundle.manifest.parity["max_abs_error"] <= 1e-6


def test_the_same_parts_give_the_same_bundle_and_files_read_back(tmp_path: Path) -> None:
    threat().write(tmp_path)
    assert read_served(tmp_path) == threat()
    assert read_served(tmp_path).hash == threat().hash


def test_an_attack_bundle_answers_with_the_products_class_ids_whatever_the_spelling() -> None:
    bundle = attack(["BENIGN", "Web Attack \x96 XSS"])
    assert bundle.manifest.classes == list(attack_classes().names)
    assert bundle.manifest.threshold is None


@pytest.mark.parametrize("names", [["BENIGN", "Heartbleed"], ["BENIGN", "benign"]])
def test_classes_outside_the_product_or_twice_the_same_are_refused(names: list[str]) -> None:
    with pytest.raises(BundleError):
        attack(names)


def test_a_score_off_by_more_than_the_tolerance_refuses_the_bundle() -> None:
    scores = SCORES.copy()
    scores[7] += 2e-6
    with pytest.raises(BundleError, match="does not answer as the original"):
        threat(replace(EVIDENCE, scores=scores))


def test_a_single_other_label_refuses_the_bundle() -> None:
    labels = EVIDENCE.labels.copy()
    labels[3] = 1 - labels[3]
    with pytest.raises(BundleError, match="1 got another class"):
        threat(replace(EVIDENCE, labels=labels))


def test_a_score_that_is_no_number_refuses_the_bundle() -> None:
    with pytest.raises(BundleError, match="does not answer as the original"):
        threat(replace(EVIDENCE, scores=np.full(50, np.nan)))


def test_parity_without_rows_is_no_parity() -> None:
    empty = Evidence(ROWS[:0], SCORES[:0], EVIDENCE.labels[:0])
    with pytest.raises(BundleError, match="needs rows"):
        prove_parity(LoadedGraph(threat().onnx), empty, 0.5)


def test_a_graph_that_is_none_is_refused() -> None:
    with pytest.raises(BundleError, match="does not run"):
        LoadedGraph(b"nonsense")


@pytest.mark.parametrize("threshold", [0.0, 1.0, float("nan")])
def test_a_threshold_that_separates_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(BundleError, match="separates nothing"):
        threat(threshold=threshold)


def test_the_manifest_is_plain_json() -> None:
    document = json.loads(threat().manifest.to_json())
    assert document["contract"]["id"] == "threat/v1" and document["training"] == {"rows": {"train": 3}}
