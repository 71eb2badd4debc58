"""A model's parts put together: graph, parity and manifest become a `ServedBundle`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netheal.bundles.neural import Network, ensemble_onnx
from netheal.bundles.parity import Evidence, LoadedGraph, prove_parity
from netheal.bundles.scaling import Scaling
from netheal.bundles.served import Manifest, ServedBundle
from netheal.bundles.tree import Tree, tree_onnx
from netheal.contracts import Contract, attack_classes
from netheal.contracts.contract import contract_document
from netheal.contracts.verdict import DEFAULT_THRESHOLD, ConfidenceKind
from netheal.errors import BundleError
from netheal.wording import listed


@dataclass(frozen=True)
class Origin:
    """Where a model comes from: its version, the sha256 of its source file, facts of its training."""

    version: str
    source_sha256: str
    training: Mapping[str, Any] = field(default_factory=dict)


def serve_threat(
    networks: Sequence[Network],
    scaling: Scaling,
    contract: Contract,
    encoders: Mapping[str, Sequence[str]],
    origin: Origin,
    evidence: Evidence,
    threshold: float = DEFAULT_THRESHOLD,
) -> ServedBundle:
    """A threat detector whose score is the mean of the networks'; raises BundleError without parity."""
    onnx = ensemble_onnx(networks, len(contract.features), scaling)
    return threat_bundle(LoadedGraph(onnx), contract, encoders, origin, evidence, "probability", threshold)


def threat_bundle(
    graph: LoadedGraph,
    contract: Contract,
    encoders: Mapping[str, Sequence[str]],
    origin: Origin,
    evidence: Evidence,
    kind: ConfidenceKind,
    threshold: float = DEFAULT_THRESHOLD,
) -> ServedBundle:
    """A threat detector of a graph that is there; raises BundleError without parity."""
    if not 0.0 < threshold < 1.0:
        raise BundleError(f"a threshold of {threshold} separates nothing: it must lie between 0 and 1")
    unknown = set(encoders) - {feature.name for feature in contract.features if feature.category}
    if unknown:
        raise BundleError(f"there are encoders for {listed(sorted(unknown))}, which are no categories of the model")
    figures = prove_parity(graph, evidence, threshold)
    manifest = replace(
        _manifest(contract, graph.onnx, origin, figures, kind),
        threshold=threshold,
        encoders={name: [str(value) for value in values] for name, values in encoders.items()},
    )
    return ServedBundle(manifest, graph.onnx)


def serve_attack(
    tree: Tree,
    scaling: Scaling,
    contract: Contract,
    class_names: Sequence[str],
    origin: Origin,
    evidence: Evidence,
) -> ServedBundle:
    """An attack classifier; `class_names` are the tree's classes in its own order, in any known spelling.

    The manifest lists all classes of the product by their ids, whether the tree knows them or not, so that
    `label` is the product's class id. Raises BundleError for a class outside them, or without parity.
    """
    onnx = tree_onnx(tree, len(contract.features), scaling, class_ids(class_names))
    return attack_bundle(LoadedGraph(onnx), contract, origin, evidence, "vote_share")


def class_ids(class_names: Sequence[str]) -> list[int]:
    """The product's ids of a model's classes, in any known spelling; raises BundleError for another class."""
    known = attack_classes()
    canonical = [known.canonical(name) for name in class_names]
    strangers = [name for name, found in zip(class_names, canonical, strict=True) if found is None]
    if strangers:
        raise BundleError(f"the model predicts {listed(strangers)}, which are none of the {len(known.names)} classes")
    if len(set(canonical)) != len(canonical):
        raise BundleError("the model has two classes of the same meaning: merge them in training")
    return [known.id_of(name) for name in canonical if name is not None]


def attack_bundle(
    graph: LoadedGraph, contract: Contract, origin: Origin, evidence: Evidence, kind: ConfidenceKind
) -> ServedBundle:
    """An attack classifier of a graph that is there; raises BundleError without parity."""
    figures = prove_parity(graph, evidence)
    classes = list(attack_classes().names)
    return ServedBundle(replace(_manifest(contract, graph.onnx, origin, figures, kind), classes=classes), graph.onnx)


def _manifest(
    contract: Contract, onnx: bytes, origin: Origin, figures: dict[str, Any], kind: ConfidenceKind
) -> Manifest:
    return Manifest(
        model_type=contract.model_type,
        version=origin.version,
        contract=contract_document(contract),
        contract_hash=contract.hash,
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        source_sha256=origin.source_sha256,
        training=dict(origin.training),
        parity=figures,
        confidence_kind=kind,
    )
