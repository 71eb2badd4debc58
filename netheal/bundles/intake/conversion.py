"""A bundle's parts made into the served form, its graph proved against plain numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.build import Origin, attack_bundle, class_ids, threat_bundle
from netheal.bundles.intake.layouts import ModelParts
from netheal.bundles.intake.probe_rows import extreme_rows, typical_rows
from netheal.bundles.neural import ensemble_onnx
from netheal.bundles.parity import TOLERANCE, Evidence, LoadedGraph
from netheal.bundles.probability import Forest, label_onnx, score_onnx
from netheal.bundles.reference import network_scores
from netheal.bundles.served import ServedBundle
from netheal.bundles.tree import tree_onnx
from netheal.bundles.voting import HardVoting, certain, confidence_kind
from netheal.contracts import Contract
from netheal.contracts.verdict import ConfidenceKind, is_attack_score
from netheal.errors import BundleError


@dataclass(frozen=True)
class Answers:
    """A model's own answers; `sure` leaves out rows where the last bit decides."""

    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    sure: NDArray[np.bool_]


def serve(parts: ModelParts, contract: Contract, origin: Origin) -> tuple[ServedBundle, LoadedGraph]:
    """The served form, and its graph; raises BundleError where the graph does not answer as the model does."""
    graph = LoadedGraph(_graph(parts, contract))  # first: it checks that weights and layers fit
    rows = typical_rows(contract, parts.scaler.scaling, parts.encoders)
    extreme = extreme_rows(contract, parts.encoders)
    if not parts.networks:
        rows = np.concatenate([rows, extreme])
    with np.errstate(all="ignore"):
        found = _answers(parts, contract, rows)
    if not np.isfinite(found.scores).all():
        raise BundleError("the model answers with values that are not finite: train it again")
    evidence = Evidence(rows[found.sure], found.scores[found.sure], found.labels[found.sure])
    kind: ConfidenceKind = "probability" if parts.classifier is None else confidence_kind(parts.classifier)
    if contract.model_type == "threat_detector":
        bundle = threat_bundle(graph, contract, parts.encoders, origin, evidence, kind, parts.threshold)
    else:
        bundle = attack_bundle(graph, contract, origin, evidence, kind)
    for name, values in graph.answers(extreme).items():
        if name != "label" and not ((values >= 0) & (values <= 1 + TOLERANCE)).all():
            raise BundleError(f"the model gives a {name} outside [0, 1] on rows that the contract allows")
    return bundle, graph


def _answers(parts: ModelParts, contract: Contract, rows: NDArray[np.float64]) -> Answers:
    scaled = parts.scaler.scaling.apply(rows)
    if parts.networks:
        scores = np.mean([network_scores(network, scaled) for network in parts.networks], axis=0)
        return Answers(scores, _is_attack(scores, parts), np.abs(scores - parts.threshold) > 2 * TOLERANCE)
    if parts.classifier is None:
        raise BundleError("the bundle has no model")
    shares = parts.classifier.probabilities(scaled)
    if contract.model_type == "threat_detector":
        scores = shares[:, parts.attack]
        gap = np.abs(scores - parts.threshold)
        if isinstance(parts.classifier, HardVoting):
            sure = certain(parts.classifier, scaled)
        else:
            sure = (gap == 0) | (gap > 2 * TOLERANCE)
        return Answers(scores, _is_attack(scores, parts), sure)
    ids = np.asarray(class_ids(parts.classes))
    return Answers(shares.max(axis=1), ids[shares.argmax(axis=1)], certain(parts.classifier, scaled))


def _is_attack(scores: NDArray[np.float64], parts: ModelParts) -> NDArray[np.int64]:
    return is_attack_score(scores, parts.threshold).astype(np.int64)


def _graph(parts: ModelParts, contract: Contract) -> bytes:
    """The served graph; raises BundleError for a network or a tree that does not fit together."""
    scaling, count, model = parts.scaler.scaling, len(contract.features), parts.classifier
    if contract.model_type == "threat_detector":
        if model is None:
            return ensemble_onnx(parts.networks, count, scaling)
        return score_onnx(model, count, scaling, parts.attack)
    if model is None:
        raise BundleError("an attack classifier that is a bare network cannot be served: save a classifier")
    ids = class_ids(parts.classes)
    if isinstance(model, Forest) and len(model.trees) == 1:
        return tree_onnx(model.trees[0], count, scaling, ids)
    return label_onnx(model, count, scaling, ids)
