"""A threat detector whose features are no shipped list: known ones, a category, and one that its profile declares."""

import io
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import LabelEncoder

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.served import ServedBundle

NAMES = ("duration", "protocol_type", " Flow IAT Max", "src_bytes", "Payload Entropy")
PROTOCOLS = ("icmp", "tcp", "udp")
DEFINITION = {"type": "number", "minimum": 0, "maximum": 8, "unit": "bits", "meaning": "Entropy of a byte of payload"}
PROFILE = {"expected_features": list(NAMES), "feature_definitions": {"Payload Entropy": DEFINITION}}


@dataclass(frozen=True)
class OwnModel:
    """The bundle as its maker writes it, its served form, and the maker's own model."""

    file: bytes
    served: ServedBundle
    estimator: RandomForestClassifier

    def scores(self, rows: list[dict[str, Any]]) -> NDArray[np.float64]:
        """What the maker's model says of messages."""
        values = [[PROTOCOLS.index(v) if isinstance(v, str) else v for v in map(row.get, NAMES)] for row in rows]
        found: NDArray[np.float64] = self.estimator.predict_proba(np.array(values, dtype=np.float64))[:, 1]
        return found


def own_messages(rows: int, seed: int = 1) -> list[dict[str, Any]]:
    """Messages that have the model's features, and no shipped contract's."""
    random = np.random.default_rng(seed)
    return [
        {
            "duration": float(random.integers(0, 100)),
            "protocol_type": PROTOCOLS[random.integers(0, 3)],
            " Flow IAT Max": float(random.integers(0, 1_000_000)),
            "src_bytes": float(random.integers(0, 5_000)),
            "Payload Entropy": float(random.uniform(0, 8)),
            "src_ip": "192.0.2.7",
        }
        for _ in range(rows)
    ]


@cache
def own_model(names: tuple[str, ...] = NAMES) -> OwnModel:
    """Trained here, written by joblib, taken in by the intake."""
    messages = own_messages(400, seed=7)
    values = np.array([[PROTOCOLS.index(v) if isinstance(v, str) else v for v in map(m.get, NAMES)] for m in messages])
    estimator = RandomForestClassifier(5, max_depth=5, random_state=1, n_jobs=1)
    estimator.fit(values, (values[:, 4] + values[:, 0] / 100 > 5).astype(int))
    file = io.BytesIO()
    encoder = LabelEncoder().fit(PROTOCOLS)
    layout = {
        "model": estimator,
        "scaler": None,
        "selected_features": list(names),
        "label_encoders": {"protocol_type": encoder},
    }
    joblib.dump(layout, file)
    request = ExaminationRequest(".joblib", "threat_detector", json.dumps(PROFILE).encode())
    examined = examine(memoryview(file.getvalue()), request)
    assert examined.bundle is not None, examined.report.reason
    return OwnModel(file.getvalue(), examined.bundle, estimator)
