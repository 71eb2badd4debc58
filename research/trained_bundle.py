"""A trained bundle in its folder, to which figures of its training rows are added; its graph stays as it is."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.served import ServedBundle
from netheal.contracts import Contract
from research.artefacts import profile_text


def require_trained_on(bundle: ServedBundle, contract: Contract, rows: Mapping[str, int]) -> None:
    """Exits where the options are not those that trained the bundle; `rows` by part, `train` among them."""
    training = bundle.manifest.training
    if bundle.contract.hash != contract.hash or training.get("rows") != rows:
        raise SystemExit(
            f"these options did not train {bundle.manifest.version}: it has contract {bundle.contract.id} and rows"
            f" {training.get('rows')}, they give {contract.id} and {dict(rows)}. Give those of its card"
        )


def add_to_profile(folder: Path, bundle: ServedBundle, fields: Mapping[str, Any]) -> ServedBundle:
    """Write profile and manifest with these fields; the committed manifest has what an examination finds of them."""
    (source,), (path,) = folder.glob("*.joblib"), folder.glob("*_profile.json")
    text = profile_text(json.loads(path.read_text("utf-8")) | fields)
    manifest = bundle.manifest
    request = ExaminationRequest(source.suffix, manifest.model_type, text.encode(), manifest.version)
    examined = examine(memoryview(source.read_bytes()), request)
    if examined.bundle is None or examined.bundle.onnx != bundle.onnx:
        raise SystemExit(
            f"{source.name} does not give the graph beside it: {examined.report.reason or 'train it again'}"
        )
    path.write_text(text, "utf-8")
    told = examined.bundle.manifest
    names = ("confidence_kind", "training_ranges", "training_histograms")
    written = ServedBundle(replace(manifest, **{name: getattr(told, name) for name in names}), bundle.onnx)
    written.write_manifest(folder)
    return written
