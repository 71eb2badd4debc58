"""The work of the confined process on two models: what they say of the same rows."""

import json

import numpy as np

from netheal.bundles.intake.confinement import Confinement
from netheal.bundles.intake.length_prefixed import read_frames
from netheal.bundles.served import ServedBundle, parse_manifest
from netheal.contracts import attack_classes, wire_contracts
from netheal.errors import ModelFailure
from netheal.scoring.comparison import count_differing
from netheal.scoring.model import FloatArray, ServedModel


def load() -> None:
    """Read what is read once a process, and from files."""
    attack_classes()
    wire_contracts()


def work(source: memoryview, order: list[memoryview], held: Confinement) -> list[bytes]:
    """Of each model `source` holds manifest, graph and rows; the answer is JSON: figures, or which failed and how."""
    frames = read_frames(source)
    (model, rows), (other, other_rows) = _given(frames[:3]), _given(frames[3:])
    try:
        found = count_differing(model, other, rows, other_rows)
    except ModelFailure as failure:
        return [json.dumps({"failed": failure.bundle_hash, "message": failure.message}).encode()]
    return [json.dumps({"rows": found.rows, "differing": found.differing}).encode()]


def _given(frames: list[memoryview]) -> tuple[ServedModel, FloatArray]:
    manifest, onnx, rows = frames
    model = ServedModel(ServedBundle(parse_manifest(bytes(manifest)), bytes(onnx)))
    return model, np.frombuffer(rows, dtype=np.float64).reshape(-1, len(model.bundle.contract.features))
