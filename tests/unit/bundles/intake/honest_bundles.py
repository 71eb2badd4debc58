"""Honest bundles of every accepted kind, made anew with scikit-learn, and the original beside each."""

import bz2
import copy
import gzip
import io
import lzma
import pickle
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import lz4.frame
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelEncoder, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from netheal.contracts import contract

MODELS: dict[str, Callable[[], Any]] = {
    "tree": lambda: DecisionTreeClassifier(max_depth=6, random_state=1),
    "forest": lambda: RandomForestClassifier(8, max_depth=5, random_state=1),
    "extra": lambda: ExtraTreesClassifier(8, max_depth=5, random_state=1),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=6, random_state=1),
    "zero_boosting": lambda: GradientBoostingClassifier(n_estimators=4, init="zero", random_state=1),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=9, random_state=1),
    "logistic": lambda: LogisticRegression(max_iter=50),
    "mlp": lambda: MLPClassifier((8, 4), max_iter=10, random_state=1),
    "voting": lambda: VotingClassifier(
        [("a", DecisionTreeClassifier(max_depth=3)), ("b", LogisticRegression(max_iter=20))],
        voting="soft",
        weights=[2, 1],
    ),
    "hard_voting": lambda: VotingClassifier(
        [
            ("a", DecisionTreeClassifier(max_depth=2, random_state=1)),
            ("b", LogisticRegression(max_iter=20)),
            ("c", HistGradientBoostingClassifier(max_iter=3, random_state=1)),
            ("d", RandomForestClassifier(5, max_depth=2, random_state=1)),
        ]
    ),
}
SCALERS = {
    "standard": StandardScaler,
    "robust": RobustScaler,
    "min_max": lambda: MinMaxScaler(clip=True),
    "max_abs": MaxAbsScaler,
    "none": lambda: None,
}
CLASSES = ["BENIGN", "DDoS", "PortScan", "Web Attack \ufffd XSS"]


@dataclass(frozen=True)
class Honest:
    """A bundle as Python objects, rows and the original's answers to them."""

    layout: dict[str, Any]
    rows: NDArray[np.float64]
    shares: NDArray[np.float64]


def predicted(model: Any, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """The model's probabilities; of hard votes the shares of them, ties given to the first class."""
    if getattr(model, "voting", "soft") == "soft":
        return np.asarray(model.predict_proba(scaled))
    votes = np.eye(len(model.classes_))[model.transform(scaled)]
    shares = np.average(votes, axis=1, weights=model.weights) * (1 - 1e-9 * np.arange(votes.shape[2]))
    assert (model.classes_[shares.argmax(axis=1)] == model.predict(scaled)).all()
    return np.asarray(shares)


def packed(value: Any, form: str) -> tuple[str, bytes]:
    """A suffix and a file's bytes; `form` is `pkl2` to `pkl5`, or what joblib compresses with."""
    if form.startswith("pkl"):
        return ".pkl", pickle.dumps(value, protocol=int(form[3:]))
    out = io.BytesIO()
    joblib.dump(value, out, protocol=int(form[-1]) if form[-1].isdigit() and form.startswith("none") else None)
    squeeze: dict[str, Callable[[bytes], bytes]] = {
        "zlib": zlib.compress,
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    squeeze["lz4"] = lz4.frame.compress
    squeeze["lzma"] = lambda data: lzma.compress(data, lzma.FORMAT_ALONE)
    return ".joblib", squeeze[form](out.getvalue()) if form in squeeze else out.getvalue()


def dumped(value: Any, method: str, folder: Path) -> tuple[str, bytes]:
    """The same as joblib itself compresses it."""
    path = folder / "bundle.joblib"
    joblib.dump(value, path, compress=(method, 3))
    return ".joblib", path.read_bytes()


def honest(
    model_name: str, scaler_name: str = "standard", model_type: str = "attack_classifier", training: bool = False
) -> Honest:
    """A bundle of a model, a scaler and a type, in one of the layouts; the caller's to change."""
    return copy.deepcopy(_made(model_name, scaler_name, model_type, training))


@cache
def _made(model_name: str, scaler_name: str, model_type: str, training: bool) -> Honest:
    random, attack = np.random.default_rng(3), model_type == "attack_classifier"
    names = contract("attack/v1" if attack else "threat/v1").names
    rows = np.abs(random.lognormal(2.0, 2.0, (300, len(names))))
    if not attack:
        rows[:, [0, 1]] = random.integers(0, 3, (300, 2))
        rows[:, [5, 6, 8, 9]] = random.uniform(0, 1, (300, 4))
    kinds = (rows[:, 2] > 8).astype(int) + (2 * (rows[:, 3] > 8) if attack else 0)
    scaler, model = SCALERS[scaler_name](), MODELS[model_name]()
    scaled = rows if scaler is None else scaler.fit_transform(rows)
    encoder = LabelEncoder().fit(CLASSES)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        model.fit(scaled, kinds)
        shares = predicted(model, scaled)
    if not attack:
        layout = {
            "model": model,
            "scaler": scaler,
            "label_encoders": {
                "service": LabelEncoder().fit(["http", "smtp", "ftp"]),
                "flag": LabelEncoder().fit(np.array(["SF", "S0", "REJ"], dtype=object)),
            },
            "selected_features": list(names),
            "threshold": 0.5,
            "metadata": {"version": "ensemble_v2_20241201"},
        }
    elif training:
        artifacts = {
            "label_encoder": encoder,
            "scaler": scaler,
            "feature_columns": list(names),
            "removed_columns": [" Total Backward Packets"],
            "class_mapping": dict(enumerate(encoder.classes_.tolist())),
        }
        layout = {"artifacts": artifacts, "model": model, "correlation_threshold": 0.85, "max_depth": 6}
    else:
        layout = {
            "model": model,
            "scaler": scaler,
            "label_encoder": encoder,
            "selected_features": list(names),
            "attack_types": dict(enumerate(encoder.classes_.tolist())),
            "metadata": {"version": "decision_tree_v2_20241201", "accuracy": 0.99},
        }
    return Honest(layout, rows, shares)
