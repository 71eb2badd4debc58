"""Bundles as their makers write them, over the API."""

import io
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from flask.testing import FlaskClient
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from netheal.contracts import contract


def _uploaded(client: FlaskClient, model_type: str, data: bytes, profile: Any = None) -> tuple[int, dict[str, Any]]:
    form: dict[str, Any] = {"file": (io.BytesIO(data), "bundle.joblib"), "model_type": model_type}
    if profile is not None:
        form["profile_config"] = (io.BytesIO(json.dumps(profile).encode()), "profile.json")
    answer = client.post("/api/v1/models/upload", data=form)
    return answer.status_code, dict(answer.get_json())


def test_an_ann_and_an_lstm_are_an_ensemble(client: FlaskClient, models: Path) -> None:
    data = (models / "threat_detector_ensemble" / "threat_detector_ensemble.joblib").read_bytes()
    status, model = _uploaded(client, "threat_detector", data)
    assert status == 201, model
    assert model["model_version"].startswith("ensemble_v")


def test_a_bare_pipeline_is_a_model_where_the_profile_names_its_features(client: FlaskClient) -> None:
    random, names = np.random.default_rng(7), list(contract("threat/v1").names)
    rows = random.uniform(0, 1, (200, len(names)))
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=3)).fit(rows, rows[:, 2] > 0.5)
    out = io.BytesIO()
    joblib.dump(pipeline, out)
    status, refused = _uploaded(client, "threat_detector", out.getvalue())
    assert status == 422
    assert 'joblib.dump({"model": model, "selected_features": names}, file)' in json.dumps(refused).replace('\\"', '"')
    status, model = _uploaded(client, "threat_detector", out.getvalue(), {"expected_features": names})
    assert status == 201, model
    assert model["model_version"].startswith("decision_tree_v")
    assert model["expected_features"] == names
    answer = client.post(f"/api/v1/models/{model['id']}/activate")
    assert answer.status_code == 200, answer.get_json()
