"""Bundles that older versions of scikit-learn, joblib, numpy and pandas wrote are accepted, and answer as they did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from netheal.bundles.build import class_ids
from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.parity import run_graph
from netheal.contracts import ModelType
from tests.unit.bundles.intake.foreign.old_bundles import CLASSES
from tests.unit.bundles.intake.honest_bundles import honest, packed

FOLDER = Path(__file__).parent / "foreign"
FILES = sorted(path.name for path in FOLDER.glob("sklearn*") if path.suffix != ".npz")


@pytest.mark.parametrize("name", FILES)
def test_bundles_of_older_versions(name: str) -> None:
    path = FOLDER / name
    kind: ModelType = "attack_classifier" if "attack" in name else "threat_detector"
    found = examine(memoryview(path.read_bytes()), ExaminationRequest(path.suffix, kind))
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    with np.load(path.with_suffix(".npz")) as told:
        rows, shares = told["rows"].astype("f8"), told["shares"]
    answers = run_graph(found.bundle.onnx, rows)
    if kind == "threat_detector":
        assert np.abs(answers["score"] - shares[:, 1]).max() <= 1e-6
        return
    assert (answers["label"] == np.array(class_ids(CLASSES))[shares.argmax(axis=1)]).all()
    assert np.abs(answers["confidence"] - shares.max(axis=1)).max() <= 1e-6


FORMS: dict[str, Callable[[list[str]], Any]] = {
    "list": list,
    "tuple": tuple,
    "texts": np.array,
    "objects": lambda names: np.array(names, dtype=object),
    "numpy_texts": lambda names: [np.str_(name) for name in names],
    "index": pd.Index,
    "columns": lambda names: pd.DataFrame(columns=names).columns,
    "named_index": lambda names: pd.Index(names, name="features"),
}


def _examined(layout: dict[str, Any], form: str) -> Examined:
    suffix, data = packed(layout, form)
    return examine(memoryview(data), ExaminationRequest(suffix, "attack_classifier"))


@pytest.mark.parametrize("packing", ["pkl2", "pkl3", "pkl4", "pkl5", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_features_may_be_any_list_of_names(form: str, packing: str) -> None:
    layout = honest("tree").layout
    layout["selected_features"] = FORMS[form](list(layout["selected_features"]))
    found = _examined(layout, packing)
    assert found.report.accepted, found.report.reason


@pytest.mark.parametrize(
    "names",
    [
        pd.RangeIndex(42),
        pd.Index(range(42)),
        pd.MultiIndex.from_tuples([("a", str(place)) for place in range(42)]),
        pd.Index([None] * 42),
        pd.Index(["x"] * 42),
        pd.Series(["x"]),
        pd.DataFrame({"x": [1]}),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("packing", ["pkl2", "pkl5", "none"])
def test_what_names_no_features_is_refused(names: Any, packing: str) -> None:
    report = _examined({**honest("tree").layout, "selected_features": names}, packing).report
    assert not report.accepted
    assert len(report.reason) > 20
