"""The starter models recognise generated flows of the classes that they recognise in real ones."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netheal.bundles.served import ServedBundle, read_served
from netheal.contracts import attack_classes
from netheal.onnx_runtime import onnxruntime as ort
from netheal.records.flow_files import read_flow_file
from netheal.traffic.profiles import shipped_profile

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "research" / "models"
SHARED = Path(os.environ.get("NETHEAL_SHARED_DATA", ROOT.parent / "shared" / "data"))
LEAST = 0.9
MEANINGFUL = 0.5
ROWS = 1_000

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="no public data: set NETHEAL_SHARED_DATA to their folder")


def model(folder: str) -> tuple[ServedBundle, ort.InferenceSession]:
    if not (MODELS / folder / "manifest.json").is_file():
        pytest.skip(f"there is no starter model in research/models/{folder}")
    bundle = read_served(MODELS / folder)
    return bundle, ort.InferenceSession(bundle.onnx, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, output: str, rows: np.ndarray) -> np.ndarray:
    (answer,) = session.run([output], {"features": rows})
    return np.asarray(answer).ravel()


def real_rows(files: Sequence[str], columns: Sequence[str], label: str) -> tuple[pa.Table, np.ndarray]:
    tables = [table for name in files for table in read_flow_file(SHARED / name)]
    whole = pa.concat_tables([table.select([*columns, label]) for table in tables], promote_options="permissive")
    return whole.select(list(columns)), whole[label].to_numpy()


def encoded(bundle: ServedBundle, columns: dict[str, Any]) -> np.ndarray:
    """Rows for a threat detector: words by their place in the bundle's encoders."""
    codes = {name: {w: i for i, w in enumerate(words)} for name, words in bundle.manifest.encoders.items()}
    return np.stack(
        [
            np.array([codes[name][word] for word in columns[name]], np.float64)
            if name in codes
            else np.asarray(columns[name], np.float64)
            for name in bundle.contract.names
        ],
        axis=1,
    )


def kind(name: str) -> str:
    """The class; the web attacks are one, since they look alike in real rows, too."""
    return "Web Attack" if name.startswith("Web Attack") else name


def recalls(real: dict[str, float], made: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Classes that fall short: recall on real and on generated rows."""
    return {name: (real[name], made[name]) for name in real if real[name] >= MEANINGFUL and made[name] < LEAST}


def test_the_attack_classifier_names_generated_attacks() -> None:
    bundle, session = model("attack_classifier")
    classes = np.array(bundle.manifest.classes)
    table, labels = real_rows(["cic-ids2017/original_90k.parquet"], bundle.contract.names, " Label")
    rows = np.stack([column.to_numpy().astype(np.float64) for column in table.columns], axis=1)
    fine = ~np.isnan(rows).any(axis=1)
    rows = np.where(np.isinf(rows), 0.0, rows)[fine]
    truth = np.array([attack_classes().canonical(label) for label in labels])[fine]
    kinds = np.array([kind(name) for name in classes])
    answers = kinds[run(session, "label", rows)]
    real = {name: float((answers[truth == name] == kind(name)).mean()) for name in sorted(set(truth))}
    profile, rng = shipped_profile("attack"), np.random.default_rng(1)
    order = [profile.features.index(name) for name in bundle.contract.names]
    made = {
        name: float((kinds[run(session, "label", profile.sample(rng, [name] * ROWS)[:, order])] == kind(name)).mean())
        for name in real
    }
    print(*(f"{name:28} {real[name]:6.1%} {made[name]:6.1%}" for name in real), sep="\n")
    assert recalls(real, made) == {}


def test_the_threat_detector_tells_generated_attacks_from_normal_traffic() -> None:
    bundle, session = model("threat_detector")
    table, labels = real_rows(["nsl-kdd/KDDTrain+.txt.gz"], bundle.contract.names, "class")
    rows = encoded(bundle, {name: table[name].to_pylist() for name in bundle.contract.names})
    attack = run(session, "score", rows) >= bundle.manifest.threshold
    profile, rng = shipped_profile("threat"), np.random.default_rng(1)
    real, made = {}, {}
    for name in profile.classes:
        sample = profile.sample(rng, [name] * ROWS)
        columns: dict[str, Any] = {f: sample[:, place] for place, f in enumerate(profile.features)}
        for category, words in profile.words.items():
            columns[category] = [words[int(code)] for code in columns[category]]
        found = run(session, "score", encoded(bundle, columns)) >= bundle.manifest.threshold
        real[name] = float((attack[labels == name] == (name != "normal")).mean())
        made[name] = float((found == (name != "normal")).mean())
    print(*(f"{name:28} {real[name]:6.1%} {made[name]:6.1%}" for name in real), sep="\n")
    assert recalls(real, made) == {}
