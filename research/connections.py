"""Connection records in the manner of NSL-KDD: columns, labels, encoded categories, selected features."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE
from sklearn.preprocessing import LabelEncoder

from research.tables import Dropped, read_table

LABEL = "class"
NORMAL = "normal"
CATEGORIES = ("protocol_type", "service", "flag")
_NORMAL = {"normal", "benign", "0", "0.0"}
_COLUMNS = Path(__file__).parent / "data" / "columns.json"


def read_connections(path: Path) -> pd.DataFrame:
    """The file with its header, or the headerless form: 41 features, attack name and perhaps difficulty."""
    frame = read_table(path)
    names = json.loads(_COLUMNS.read_text("utf-8"))["nsl_kdd"]
    if set(frame.columns) & set(names):
        frame.columns = frame.columns.str.strip()
    else:
        width = len(frame.columns)
        if width not in (len(names), len(names) - 1):
            raise SystemExit(f"{path.name} has neither a header nor the {len(names)} columns of NSL-KDD")
        frame = pd.read_csv(path, header=None, names=names[:width])
    return frame.drop(columns="difficulty", errors="ignore")


def attack_names(frame: pd.DataFrame) -> NDArray[np.object_]:
    """`normal`, or the attack's name in lower case, from 0/1, `normal`/`anomaly` or attack names, [N]."""
    if LABEL not in frame.columns:
        raise SystemExit(f"the file has no {LABEL!r} column")
    labels = frame[LABEL].astype(str).str.strip().str.rstrip(".").str.casefold()
    return labels.mask(labels.isin(_NORMAL), NORMAL).to_numpy(dtype=object)


def is_attack(labels: NDArray[np.object_]) -> NDArray[np.int64]:
    """1 for an attack and 0 for normal, of names as `attack_names` gives them, [N]."""
    return np.asarray(labels != NORMAL, dtype=np.int64)


def fit_encoders(frame: pd.DataFrame) -> dict[str, LabelEncoder]:
    """An encoder for each category that comes as text; a numeric one counts as encoded already."""
    text = [name for name in CATEGORIES if not pd.api.types.is_numeric_dtype(frame[name])]
    return {name: LabelEncoder().fit(frame[name].astype(str)) for name in text}


def encoded(
    frame: pd.DataFrame, encoders: dict[str, LabelEncoder], source: str, dropped: Dropped
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The frame with codes for categories, and which rows have known ones [N]."""
    frame, known = frame.copy(), np.ones(len(frame), dtype=np.bool_)
    for name, encoder in encoders.items():
        codes = pd.Series(range(len(encoder.classes_)), index=encoder.classes_)
        frame[name] = frame[name].astype(str).map(codes).astype("float64")
        known &= frame[name].notna().to_numpy()
    dropped.add(f"a category that the encoders do not know ({source})", int((~known).sum()))
    return frame, known


def select_features(frame: pd.DataFrame, attack: NDArray[np.int64], n_features: int) -> list[str]:
    """Recursive feature elimination over a random forest, `protocol_type` left out, in the file's order."""
    candidates = frame.drop(columns=[LABEL, "protocol_type"], errors="ignore")
    candidates = candidates.select_dtypes("number")
    if len(candidates.columns) < n_features:
        raise SystemExit(f"{n_features} features are asked for and the file has {len(candidates.columns)}")
    selector = RFE(RandomForestClassifier(random_state=42), n_features_to_select=n_features)
    selector.fit(candidates.to_numpy(dtype=np.float64), attack)
    return [str(name) for name in candidates.columns[selector.support_]]


def matrix(frame: pd.DataFrame, features: Sequence[str]) -> NDArray[np.float64]:
    """The features in order, double [N, n]; text that is no number becomes NaN."""
    missing = [name for name in features if name not in frame.columns]
    if missing:
        raise SystemExit(f"the file lacks the features {missing}")
    numbers = frame[list(features)].apply(pd.to_numeric, errors="coerce")
    return np.asarray(numbers, dtype=np.float64)
