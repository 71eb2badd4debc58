"""Files that Keras itself writes are read without it, and answer as it does; a Lambda is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.bundles.parity import run_graph
from netheal.contracts import contract

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
layers = keras.layers

PROFILE = json.dumps({"expected_features": list(contract("threat/v1").names)}).encode()
NETWORKS: dict[str, Callable[[], list[Any]]] = {
    "dense": lambda: [layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dropout(0.1)],
    "lstm": lambda: [layers.Reshape((5, 2)), layers.LSTM(6)],
    "gru": lambda: [layers.Reshape((5, 2)), layers.GRU(6, bias_initializer="normal")],
    "old_gru": lambda: [layers.Reshape((1, 10)), layers.GRU(6, reset_after=False, bias_initializer="normal")],
    "largest": lambda: [layers.Reshape((5, 2)), layers.GRU(6, return_sequences=True), layers.GlobalMaxPooling1D()],
    "mean": lambda: [layers.Reshape((5, 2)), layers.LSTM(6, return_sequences=True), layers.GlobalAveragePooling1D()],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_keras_are_read(name: str, tmp_path: Path) -> None:
    network = keras.Sequential([layers.Input((10,)), *NETWORKS[name](), layers.Dense(1, "sigmoid")])
    network.save(tmp_path / "net.h5")
    data = (tmp_path / "net.h5").read_bytes()
    found = examine(memoryview(data), ExaminationRequest(".h5", "threat_detector", PROFILE))
    assert found.report.accepted, found.report.reason
    assert found.bundle is not None
    rows = np.random.default_rng(0).uniform(0, 1, (50, 10))
    expected = network.predict(rows.astype("f4"), verbose=0)[:, 0]
    assert np.abs(run_graph(found.bundle.onnx, rows)["score"] - expected).max() <= 1e-6


def test_a_lambda_is_refused(tmp_path: Path) -> None:
    network = keras.Sequential([layers.Input((10,)), layers.Lambda(lambda x: x * 2), layers.Dense(1, "sigmoid")])
    network.save(tmp_path / "net.h5")
    data = (tmp_path / "net.h5").read_bytes()
    report = examine(memoryview(data), ExaminationRequest(".h5", "threat_detector", PROFILE)).report
    assert not report.accepted
    assert "Lambda" in report.reason
