"""The served form of a model: an ONNX graph and a manifest, nothing that can be executed.

The graph takes `features`, double [N, n_features] in contract order, unscaled (the scaler is part of
the graph), and gives

- threat_detector: `score`, double [N], in [0, 1];
- attack_classifier: `label`, int64 [N], an index into `Manifest.classes`, and `confidence`, double [N],
  the probability of that class.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from netheal.contracts import Contract
from netheal.contracts.contract import ModelType, parse_contract
from netheal.contracts.verdict import ConfidenceKind
from netheal.errors import BundleError

FORMAT = 1
ONNX_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
_MAY_BE_ABSENT = ("confidence_kind", "training_ranges", "training_histograms")


@dataclass(frozen=True)
class Manifest:
    """What is known of a served model; every value is plain JSON.

    `version` reads like `ensemble_v2_20241201`. `contract` is the whole contract document, so that a model
    whose features are no shipped contract carries its own. `encoders` maps a category feature to its
    categories in the order of their codes. `classes` are canonical names by output index (None for a
    threat detector), `threshold` is where a score becomes an attack (None for an attack classifier).
    `confidence_kind` is what its score or confidence is, `training_ranges` the document of
    `training_ranges.parse_ranges`, `training_histograms` that of `training_histograms.parse_histograms`; they are None
    where the bundle does not say.
    """

    model_type: ModelType
    version: str
    contract: dict[str, Any]
    contract_hash: str
    onnx_sha256: str
    source_sha256: str
    encoders: dict[str, list[str]] = field(default_factory=dict)
    threshold: float | None = None
    classes: list[str] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    confidence_kind: ConfidenceKind | None = None
    training_ranges: dict[str, Any] | None = None
    training_histograms: dict[str, Any] | None = None
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Canonical bytes: the same manifest is the same text.

        What it does not say of confidence and training is left out: a bundle's hash stays what it was before there
        were such fields.
        """
        document = asdict(self)
        for name in _MAY_BE_ABSENT:
            if document[name] is None:
                del document[name]
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode()


@dataclass(frozen=True)
class ServedBundle:
    """A manifest and its graph, checked to belong together."""

    manifest: Manifest
    onnx: bytes

    def __post_init__(self) -> None:
        if hashlib.sha256(self.onnx).hexdigest() != self.manifest.onnx_sha256:
            raise BundleError("the ONNX file is not the one that the manifest names: build the bundle again")
        if self.contract.hash != self.manifest.contract_hash:
            raise BundleError("the manifest's contract does not have the hash it claims: build the bundle again")

    @cached_property
    def contract(self) -> Contract:
        """The features this model takes."""
        return parse_contract(self.manifest.contract)

    @cached_property
    def hash(self) -> str:
        """Content hash of the whole bundle: the manifest names the graph's hash."""
        return hashlib.sha256(self.manifest.to_json()).hexdigest()

    def write(self, folder: Path) -> None:
        """Write both files into `folder`."""
        self.write_graph(folder)
        self.write_manifest(folder)

    def write_graph(self, folder: Path) -> None:
        """The large one of them."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ONNX_FILE).write_bytes(self.onnx)

    def write_manifest(self, folder: Path) -> None:
        """The small one, which names the model."""
        (folder / MANIFEST_FILE).write_bytes(self.manifest.to_json() + b"\n")


def parse_manifest(text: bytes) -> Manifest:
    """A manifest from its JSON; raises BundleError for another format or unknown fields."""
    try:
        document = json.loads(text)
        manifest = Manifest(**document)
    except (ValueError, TypeError) as error:
        raise BundleError(f"not a manifest of a served bundle: {error}") from error
    if manifest.format != FORMAT:
        raise BundleError(f"manifest format {manifest.format} is not {FORMAT}: build the bundle again")
    return manifest


def read_served(folder: Path) -> ServedBundle:
    """The served bundle in `folder`; raises BundleError where a file is missing or does not fit."""
    try:
        manifest = parse_manifest((folder / MANIFEST_FILE).read_bytes())
        return ServedBundle(manifest, (folder / ONNX_FILE).read_bytes())
    except OSError as error:
        raise BundleError(f"cannot read the served bundle in {folder}: {error}") from error
