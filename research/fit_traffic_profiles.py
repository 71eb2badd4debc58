"""Fit the traffic generator's profiles on public flow files: statistics of groups of like flows, no rows.

Rows of one class are grouped by cluster and by the leaves in which two decision trees put them, so that
whatever is drawn between a group's smallest and largest values lies in the same leaves: models decide by
thresholds between dependent features, and a distribution of a whole class would straddle them. Only
rows that the trees recognise as their class are used, where a class has such: the generator shows typical
traffic of a class, not its share of hard cases. Groups of fewer than 5 rows are left out if there are more.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.cluster import MiniBatchKMeans
from sklearn.tree import DecisionTreeClassifier

from netheal.contracts import attack_classes, contract
from netheal.records.flow_files import read_flow_file
from netheal.traffic.profiles import Profile

SMALLEST_GROUP = 5
MOST_VALUES = 6
MOST_GROUPS = 48
ROWS_PER_CLUSTER = 60
MOST_CLUSTERS = 40
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
SEED = 42


@dataclass(frozen=True)
class Rows:
    """Real rows: a matrix with categories by their place in `words`, and each row's class."""

    features: tuple[str, ...]
    decimals: tuple[int, ...]
    words: dict[str, list[str]]
    matrix: np.ndarray
    names: np.ndarray
    judged: np.ndarray
    """What a model can tell of a row's class: the class itself, or only attack or normal."""
    keys: tuple[str, ...] = ()
    """Categories of which a group has one value."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with cic-ids2017/ and nsl-kdd/")
    parser.add_argument("--out", type=Path, required=True, help="folder for attack.json and threat.json")
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
        document = fitted(rows, source)
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace('{"rows"', '\n{"rows"')
        (arguments.out / f"{name}.json").write_text(text + "\n", "utf-8")
        print(f"{name}.json: {len(text.encode()) // 1000} kB")
        print_recognition(rows, document)


def attack_rows(folder: Path) -> Rows:
    """The original extraction; classes that it has not come from the improved one."""
    wire = contract("attack/v1")
    original = _frame(folder / "original_90k.parquet", [*wire.names, " Label"], " Label")
    improved = _frame(folder / "improved_25k.parquet", [*wire.names, "Label"], "Label")
    for part in (original, improved):
        part["name"] = part.name.map(attack_classes().canonical)
    absent = improved.name.notna() & ~improved.name.isin(set(original.name))
    frame = pd.concat([original, improved[absent]], ignore_index=True)
    minimum = np.array([feature.minimum for feature in wire.features])
    maximum = np.array([feature.maximum for feature in wire.features])
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


def fitted(rows: Rows, source: str) -> dict[str, Any]:
    """The profile document."""
    leaves, agreed = _leaves(rows)
    keys = [rows.matrix[:, rows.features.index(key)].astype(int) for key in rows.keys]
    leaves_and_keys = np.stack([*leaves, *keys, _clusters(rows)], axis=1)
    group_ids = np.unique(leaves_and_keys, axis=0, return_inverse=True)[1].ravel()
    classes = {}
    for name in sorted(set(rows.names)):
        of_class = rows.names == name
        typical = of_class & agreed if (of_class & agreed).sum() >= SMALLEST_GROUP else of_class
        classes[name] = [_group(rows.matrix[places]) for places in _groups(group_ids, typical)]
    words = {name: list(known) for name, known in rows.words.items()}
    return {
        "fitted_on": source,
        "features": rows.features,
        "decimals": rows.decimals,
        "words": words,
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
        means = MiniBatchKMeans(count, random_state=SEED, n_init=3)
        clusters[places] = means.fit_predict(magnitudes[places])
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
    return {
        "rows": len(values),
        "cells": [_cell(column) for column in values.T],
        "loadings": _loadings(values),
    }


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


def print_recognition(rows: Rows, document: dict[str, Any]) -> None:
    """Recall of a tree of the starter models' kind, on real rows and on generated ones."""
    tree = DecisionTreeClassifier(max_depth=10, random_state=SEED + 1).fit(rows.matrix, rows.judged)
    profile, rng = Profile(document), np.random.default_rng(SEED)
    print(f"{'class':28} {'rows':>6} {'groups':>6} {'real':>6} {'made':>6}")
    for name in profile.classes:
        of_class = rows.names == name
        judged = rows.judged[of_class]
        real = (tree.predict(rows.matrix[of_class]) == judged).mean()
        made = (tree.predict(profile.sample(rng, [name] * 2_000)) == judged[0]).mean()
        groups = len(profile.rows_by_group(name))
        print(f"{name:28} {of_class.sum():6} {groups:6} {real:6.1%} {made:6.1%}")


if __name__ == "__main__":
    main()
