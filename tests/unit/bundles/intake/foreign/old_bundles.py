"""Bundles as an older scikit-learn, joblib, numpy and pandas write them, and what they answer.

Run as a program by each of them: `python old_bundles.py PREFIX`. It needs nothing of this repository but the
contracts' JSON. It writes pickles of protocols 2 and 3, or with a second argument 4 and 5. The files beside it
were written by
sklearn13 (scikit-learn 1.3.0, joblib 1.2.0, numpy 1.24.4, pandas 1.5.3, Python 3.11),
sklearn14 (scikit-learn 1.4.2, joblib 1.4.2, numpy 1.26.4, pandas 2.2.3, Python 3.12),
sklearn15 (scikit-learn 1.5.2, joblib 1.4.2, numpy 2.1.3, pandas 2.2.3, Python 3.12),
sklearn16 (scikit-learn 1.6.1, joblib 1.5.1, numpy 2.2.6, pandas 2.3.3, Python 3.12).
"""

import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
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

HERE = Path(__file__).parent
CONTRACTS = Path(__file__).parents[5] / "netheal" / "contracts" / "data"
CLASSES = ["BENIGN", "DDoS", "PortScan"]
_ROWS = 40


def _names(contract: str) -> list[str]:
    document = json.loads((CONTRACTS / f"{contract}.json").read_text("utf-8"))
    return list(document["features"])


def _models() -> dict[str, tuple[Any, Any, bool]]:
    """A model, its scaler and whether it is an attack classifier, by the name of a file."""
    tree = DecisionTreeClassifier(max_depth=3, random_state=1)
    histogram = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4, max_bins=8, random_state=1)
    voters = [
        ("tree", tree),
        ("forest", RandomForestClassifier(3, max_depth=2, random_state=1)),
        ("boosting", GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=1)),
        ("logistic", LogisticRegression(max_iter=30)),
    ]
    mlp = MLPClassifier((3,), max_iter=5, random_state=1)
    extra = ExtraTreesClassifier(3, max_depth=3, random_state=1)
    return {
        "soft": (VotingClassifier(voters, voting="soft"), StandardScaler(), True),
        "histogram": (histogram, RobustScaler(), True),
        "mlp": (mlp, MinMaxScaler(clip=True), False),
        "extra": (extra, MaxAbsScaler(), False),
    }


def _layout(model: Any, scaler: Any, attack: bool) -> tuple[dict[str, Any], Any]:
    """The serving layout, and rows."""
    names = _names("attack_v1" if attack else "threat_v1")
    random = np.random.default_rng(3)
    frame = pd.DataFrame(np.abs(random.lognormal(2, 2, (200, len(names)))), columns=names)
    kinds = (frame.iloc[:, 2] > 8).astype(int) + (frame.iloc[:, 3] > 20).astype(int) * attack
    scaled = scaler.fit_transform(frame)
    model.fit(scaled, kinds)
    layout = {"model": model, "scaler": scaler, "selected_features": frame.columns}
    if attack:
        layout["label_encoder"] = LabelEncoder().fit(CLASSES)
        layout["attack_types"] = pd.Index(CLASSES)
    else:
        layout["label_encoders"] = {"flag": LabelEncoder().fit(pd.Series(["SF", "S0", "REJ"]))}
        layout["threshold"] = np.float64(0.5)
    layout["metadata"] = {"version": "old_v1_20240101"}
    return layout, frame.to_numpy()[:_ROWS].astype("f4").astype("f8")


def _main() -> None:
    warnings.simplefilter("ignore")
    prefix, protocols = sys.argv[1], iter((4, 5) if sys.argv[2:] else (2, 3))
    for name, (model, scaler, attack) in _models().items():
        place = HERE / f"{prefix}_{'attack' if attack else 'threat'}_{name}"
        layout, rows = _layout(model, scaler, attack)
        shares = model.predict_proba(scaler.transform(pd.DataFrame(rows, columns=layout["selected_features"])))
        np.savez_compressed(f"{place}.npz", rows=rows.astype("f4"), shares=shares)
        if attack:
            joblib.dump(layout, f"{place}.joblib", compress=("zlib", 9))
        else:
            place.with_suffix(".pkl").write_bytes(pickle.dumps(layout, protocol=next(protocols)))


if __name__ == "__main__":
    _main()
