"""Flow records in the manner of CIC-IDS2017: columns under any known name, labels, correlation removal."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netheal.contracts import Contract, attack_classes, contract, envelope_spellings
from research.tables import Dropped, read_table, valid_rows

LABEL = "Label"
METER = "meter"
_COLUMNS = Path(__file__).parent / "data" / "columns.json"


def read_flows(path: Path) -> pd.DataFrame:
    """The file, its features under the contract's exact names, its label column as `Label`, and whose meter it is of.

    `meter` is `original meter` for the columns that CIC-IDS2017 was published with, else `other meter`.
    """
    frame = read_table(path)
    published = {name.strip() for name in contract("attack/v1").names} <= set(frame.columns.str.strip())
    names = {LABEL: LABEL}
    for feature in contract("attack/v1").features:
        names |= {spelling.strip(): feature.name for spelling in (feature.name, *feature.aliases)}
    frame.columns = pd.Index([names.get(column.strip(), column) for column in frame.columns.astype(str)])
    if LABEL not in frame.columns:
        raise SystemExit(f"{path.name} has no {LABEL!r} column")
    return frame.assign(**{METER: "original meter" if published else "other meter"})


def candidate_features(frames: Sequence[pd.DataFrame]) -> list[str]:
    """Numeric columns of all frames that describe a flow, neither label nor identity, in the first one's order."""
    identity = {name.strip() for names in envelope_spellings().values() for name in names}
    identity |= set(json.loads(_COLUMNS.read_text("utf-8"))["no_features"])
    numeric = [set(frame.drop(columns=LABEL).select_dtypes("number").columns) for frame in frames]
    everywhere = set.intersection(*numeric)
    return [name for name in frames[0].columns if name in everywhere and name.strip() not in identity]


def correlated(frames: Sequence[pd.DataFrame], features: Sequence[str], threshold: float) -> list[str]:
    """Features to remove: feature i goes where |corr(i, j)| exceeds the threshold for a j before it, over all rows.

    An infinite value counts as 0.0; a constant column correlates with nothing and stays.
    """
    values = pd.concat([frame[list(features)].astype("float64") for frame in frames]).replace([np.inf, -np.inf], 0.0)
    strength = values.corr().abs().to_numpy()
    return [name for i, name in enumerate(features) if (strength[i, :i] > threshold).any()]


def labelled_rows(
    frame: pd.DataFrame, wanted: Contract, source: str, dropped: Dropped
) -> tuple[NDArray[np.float64], NDArray[np.object_], NDArray[np.int64]]:
    """Rows the contract lets through, double [N, n], their class names [N], and their places in the frame [N]."""
    missing = [name for name in wanted.names if name not in frame.columns]
    if missing:
        raise SystemExit(f"{source} lacks the features {missing}")
    spelled = frame[LABEL].astype(str)
    meaning = {label: attack_classes().canonical(label) for label in spelled.unique()}
    for label in sorted(label for label, name in meaning.items() if name is None):
        dropped.add(f"label {label!r} outside the 14 classes ({source})", int((spelled == label).sum()))
    labels = spelled.map(meaning)
    inside = labels.notna().to_numpy()
    numbers = frame.loc[inside, list(wanted.names)].apply(pd.to_numeric, errors="coerce")
    values, valid = valid_rows(numbers.to_numpy(dtype=np.float64), wanted, source, dropped)
    return values[valid], labels[inside].to_numpy(dtype=object)[valid], np.flatnonzero(inside)[valid]
