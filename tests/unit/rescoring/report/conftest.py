"""Batches as a rescoring run gives them, of random verdicts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netheal.contracts import attack_classes
from netheal.contracts.schema import rejected_schema, verdict_schema

Batch = tuple[pa.Table, pa.Table]
MakeVerdicts = Callable[[list[dict[str, Any]]], pa.Table]
CLASSES = attack_classes().names
PLACE = [("run_id", pa.string()), ("file", pa.string()), ("line", pa.int64())]
OTHER = {"threat_score": pa.float64(), "threat_is_attack": pa.bool_(), "attack_class": pa.string()}
OTHER["is_attack"] = pa.bool_()


def _table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in schema})


@pytest.fixture(scope="session")
def make_verdicts() -> MakeVerdicts:
    """Rows with the values given; `other_…` columns where the first row has one."""

    def make(rows: list[dict[str, Any]]) -> pa.Table:
        schema = pa.schema([*verdict_schema(), *PLACE, ("label", pa.string())])
        if rows and any(name.startswith("other_") for name in rows[0]):
            for name, kind in OTHER.items():
                schema = schema.append(pa.field(f"other_{name}", kind))
        return _table(schema, rows)

    return make


@pytest.fixture(scope="session")
def make_rejected() -> MakeVerdicts:
    """Rejected rows with the values given."""
    return lambda rows: _table(pa.schema([*rejected_schema(), *PLACE]), rows)


@pytest.fixture(scope="session")
def verdicts(make_verdicts: MakeVerdicts) -> pa.Table:
    """4,000 rows: of the classifier, of the threat detector, of both; some labels outside, some absent."""
    rng = np.random.default_rng(5)
    return make_verdicts([_row(rng, line) for line in range(2, 4_002)])


def _row(rng: np.random.Generator, line: int) -> dict[str, Any]:
    kind = rng.choice(["attack", "threat", "both"], p=[0.5, 0.3, 0.2])
    row: dict[str, Any] = {"run_id": "r1", "file": f"{line % 3}.csv", "line": line, "policy_version": "p1"}
    true = str(rng.choice(CLASSES, p=[0.6, *[0.4 / 13] * 13]))
    attack = true != "BENIGN"
    row["label"] = true if kind != "threat" else ("neptune" if attack else "normal")
    if line % 50 == 0:
        row["label"] = [None, "Heartbleed", "who knows", " Botnet "][line // 50 % 4]
    said = []
    if kind != "threat":
        row |= {"attack_class": true if rng.random() < 0.8 else str(rng.choice(CLASSES)), "attack_confidence": 0.5}
        row |= {"attack_model_version": "tree_v1", "attack_model_hash": "a" * 64}
        row["attack_class_id"] = CLASSES.index(row["attack_class"])
        said.append(row["attack_class"] != "BENIGN")
        row["other_attack_class"] = true if rng.random() < 0.6 else str(rng.choice(CLASSES))
    if kind != "attack":
        score = float(np.clip(rng.normal(0.65 if attack else 0.35, 0.2), 0, 1))
        row |= {"threat_score": score, "threat_threshold": 0.4, "threat_is_attack": score >= 0.4}
        row |= {"threat_model_version": "forest_v1", "threat_model_hash": "b" * 64}
        said.append(row["threat_is_attack"])
        row["other_threat_score"] = float(np.round(1 - score, 2))
    row["is_attack"] = any(said)
    row["other_is_attack"] = row.get("other_attack_class", "BENIGN") != "BENIGN"
    return row
