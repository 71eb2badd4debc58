"""Fit the traffic generator's profiles on public flow files: statistics of groups of like flows, no rows.

Rows of one class are grouped by cluster and by the leaves in which two decision trees put them, so that
whatever is drawn between a group's smallest and largest values lies in the same leaves: models decide by
thresholds between dependent features, and a distribution of a whole class would straddle them. Only
rows that the trees and the starter model recognise are used, where a class has such: the generator shows
typical traffic of a class, so what a model scores on it says nothing of that model's quality. Groups of fewer
than 5 rows are left out if there are more.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.cluster import MiniBatchKMeans
from sklearn.tree import DecisionTreeClassifier

from netheal.bundles.served import read_served
from netheal.contracts import attack_classes, contract
from netheal.onnx_runtime import onnxruntime as ort
from netheal.records.flow_files import read_flow_file
from netheal.traffic.profiles import Profile

SMALLEST_GROUP = 5
MOST_VALUES = 6
MOST_GROUPS = 48
ROWS_PER_CLUSTER = 60
MOST_CLUSTERS = 40
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
SEED = 42

Judge = Callable[[np.ndarray], np.ndarray]
"""Rows [N, features] -> what a model says of each, to be compared with `Rows.judged`."""


@dataclass(frozen=True)
class Rows:
    """Real rows: a matrix with categories by their place in `words`, and each row's class.

    `judged` is what a model can tell of it: the class, or only attack or normal. A group has one value of
    each of the categories `keys`.
    """

    features: tuple[str, ...]
    decimals: tuple[int, ...]
    words: dict[str, list[str]]
    matrix: np.ndarray
    names: np.ndarray
    judged: np.ndarray
    keys: tuple[str, ...] = ()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with cic-ids2017/ and nsl-kdd/")
    parser.add_argument("--out", type=Path, required=True, help="folder for attack.json and threat.json")
    parser.add_argument("--models", type=Path, required=True, help="folder of the starter models' bundles")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, rows, source in (
        (
            "attack",
            attack_rows(arguments.data / "cic-ids2017"),
            "CIC-IDS2017, original and improved extraction",
        ),
        ("threat", threat_rows(arguments.data / "nsl-kdd"), "NSL-KDD, KDDTrain+"),
    ):
        judge = starter_model(arguments.models, rows)
        document = fitted(rows, source, judge)
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace('{"rows"', '\n{"rows"')
        (arguments.out / f"{name}.json").write_text(text + "\n", "utf-8")
        print(f"{name}.json: {len(text.encode()) // 1000} kB")
        print_recognition(rows, document, judge)


def attack_rows(folder: Path) -> Rows:
    """The original extraction; classes that it has not come from the improved one."""
    wire = contract("attack/v1")
    original = _frame(folder / "original_90k.parquet", [*wire.names, " Label"], " Label")
    improved = _frame(folder / "improved_25k.parquet", [*wire.names, "Label"], "Label")
    for part in (original, improved):
        part["name"] = part.name.map(attack_classes().canonical)
    absent = improved.name.notna() & ~improved.name.isin(set(original.name))
    frame = pd.concat([original, improved[absent]], ignore_index=True)
    minimum, maximum = np.array([(feature.minimum, feature.maximum) for feature in wire.features]).T
    values = frame[list(wire.names)].to_numpy(np.float64)
    fine = (np.isfinite(values) & (values >= minimum) & (values <= maximum)).all(axis=1)
    values, names = values[fine], frame.name.to_numpy(str)[fine]
    whole = (values == np.rint(values)).mean(axis=0) > 0.999
    values[:, whole] = np.rint(values[:, whole])
    decimals = tuple(0 if integer else -10 for integer in whole)
    return Rows(wire.names, decimals, {}, values, names, names)


def threat_rows(folder: Path) -> Rows:
    """Training rows of NSL-KDD, classes with at least 50 rows, features of both threat contracts."""
    names = tuple(dict.fromkeys([*contract("threat/v1").names, *contract("threat/v2").names, "protocol_type"]))
    frame = _frame(folder / "KDDTrain+.txt.gz", [*names, "class"], "class")
    frame = frame[frame.groupby("name").name.transform("size") >= 50]
    words = {name: sorted(set(frame[name])) for name in ("service", "flag", "protocol_type")}
    for name, known in words.items():
        frame[name] = frame[name].map({word: place for place, word in enumerate(known)})
    values = frame[list(names)].to_numpy(np.float64)
    classes = frame.name.to_numpy(str)
    judged = np.where(classes == "normal", "normal", "attack")
    decimals = tuple(2 if name.endswith("_rate") else 0 for name in names)
    return Rows(names, decimals, words, values, classes, judged, ("service", "flag", "protocol_type"))


def _frame(path: Path, columns: list[str], label: str) -> pd.DataFrame:
    tables = [table.select(columns) for table in read_flow_file(path) if label in table.column_names]
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    return frame.rename(columns={label: "name"})


def starter_model(folder: Path, rows: Rows) -> Judge:
    """The starter model for such rows."""
    bundle = read_served(folder / ("threat_detector" if rows.words else "attack_classifier"))
    session = ort.InferenceSession(bundle.onnx, providers=["CPUExecutionProvider"])
    places = [rows.features.index(name) for name in bundle.contract.names]
    codes = {
        place: np.array([bundle.manifest.encoders[name].index(word) for word in rows.words[name]])
        for place, name in enumerate(bundle.contract.names)
        if name in rows.words
    }

    def judge(matrix: np.ndarray) -> np.ndarray:
        inputs = matrix[:, places].copy()
        for place, code in codes.items():
            inputs[:, place] = code[inputs[:, place].astype(int)]
        if bundle.manifest.classes:
            labels = session.run(["label"], {"features": inputs})[0]
            return np.asarray(np.array(bundle.manifest.classes)[labels.ravel()])
        scores = session.run(["score"], {"features": inputs})[0]
        return np.where(scores.ravel() >= bundle.manifest.threshold, "attack", "normal")

    return judge


def fitted(rows: Rows, source: str, judge: Judge) -> dict[str, Any]:
    """The profile document."""
    leaves, agreed = _leaves(rows)
    sure = agreed & (judge(rows.matrix) == rows.judged)
    keys = [rows.matrix[:, rows.features.index(key)].astype(int) for key in rows.keys]
    parts = np.stack([*leaves, *keys, _clusters(rows)], axis=1)
    group_ids = np.unique(parts, axis=0, return_inverse=True)[1].ravel()
    classes = {}
    for name in sorted(set(rows.names)):
        of_class = rows.names == name
        choices = (of_class & sure, of_class & agreed, of_class)
        typical = next(some for some in choices if some.sum() >= SMALLEST_GROUP)
        classes[name] = [_group(rows.matrix[places]) for places in _groups(group_ids, typical)]
    return {
        "fitted_on": source,
        "features": rows.features,
        "decimals": rows.decimals,
        "words": rows.words,
        "classes": classes,
    }


def _leaves(rows: Rows) -> tuple[list[np.ndarray], np.ndarray]:
    """Each row's leaf in either tree, and whether both trees recognise the row."""
    trees = [
        DecisionTreeClassifier(max_depth=10, random_state=SEED),
        DecisionTreeClassifier(max_depth=10, random_state=SEED, max_features=0.5, min_samples_leaf=5),
    ]
    leaves, agreed = [], np.ones(len(rows.names), bool)
    for tree in trees:
        tree.fit(rows.matrix, rows.judged)
        leaves.append(tree.apply(rows.matrix))
        agreed &= tree.predict(rows.matrix) == rows.judged
    return leaves, agreed


def _clusters(rows: Rows) -> np.ndarray:
    """Each row's cluster among those of its class, by the magnitudes of its features."""
    magnitudes = np.sign(rows.matrix) * np.log1p(np.abs(rows.matrix))
    magnitudes /= np.maximum(magnitudes.std(axis=0), 1e-9)
    clusters = np.zeros(len(rows.names), np.int64)
    for name in set(rows.names):
        places = np.flatnonzero(rows.names == name)
        count = int(np.clip(len(places) // ROWS_PER_CLUSTER, 1, MOST_CLUSTERS))
        clusters[places] = MiniBatchKMeans(count, random_state=SEED, n_init=3).fit_predict(magnitudes[places])
    return clusters


def _groups(group_ids: np.ndarray, typical: np.ndarray, most: int = MOST_GROUPS) -> Iterator[np.ndarray]:
    """Places of the rows of the largest groups, largest first."""
    sizes = Counter(group_ids[typical].tolist()).most_common(most)
    kept = [group for group, size in sizes if size >= SMALLEST_GROUP]
    if not kept:
        yield np.flatnonzero(typical)
    for group in kept:
        yield np.flatnonzero(typical & (group_ids == group))


def _group(values: np.ndarray) -> dict[str, Any]:
    cells = [_cell(column) for column in values.T]
    return {"rows": len(values), "cells": cells, "loadings": _loadings(values)}


def _cell(column: np.ndarray) -> Any:
    distinct, counts = np.unique(column, return_counts=True)
    if len(distinct) == 1:
        return _plain(distinct[0])
    if len(distinct) <= MOST_VALUES:
        return {"values": [_plain(value) for value in distinct], "shares": counts.tolist()}
    return [_plain(value) for value in np.quantile(column, QUANTILES)]


def _plain(value: float) -> float:
    """Seven significant digits, an integer where it is one."""
    return int(value) if value == int(value) else float(f"{value:.7g}")


def _loadings(values: np.ndarray) -> list[float]:
    """How far each feature follows the group's common rank: the first factor of the rank correlations."""
    ranks = pd.DataFrame(values).rank().to_numpy()
    varied = ranks.std(axis=0) > 0
    result = np.zeros(values.shape[1])
    if varied.sum() > 1:
        weights, vectors = np.linalg.eigh(np.corrcoef(ranks[:, varied], rowvar=False))
        first = vectors[:, -1] * np.sqrt(weights[-1])
        result[varied] = np.clip(first * np.sign(first[np.abs(first).argmax()]), -1, 1)
    return [round(float(value), 2) + 0.0 for value in result]


def print_recognition(rows: Rows, document: dict[str, Any], judge: Judge) -> None:
    """Recall of the starter model, on real rows and on generated ones."""
    profile, rng = Profile(document), np.random.default_rng(SEED)
    print(f"{'class':28} {'rows':>6} {'groups':>6} {'real':>6} {'made':>6}")
    for name in profile.classes:
        of_class = rows.names == name
        truth = rows.judged[of_class][0]
        real = (judge(rows.matrix[of_class]) == truth).mean()
        made = (judge(profile.sample(rng, [name] * 2_000)) == truth).mean()
        print(f"{name:28} {of_class.sum():6} {len(document['classes'][name]):6} {real:6.1%} {made:6.1%}")


if __name__ == "__main__":
    main()
