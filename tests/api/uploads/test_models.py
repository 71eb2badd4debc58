"""An uploaded CSV and the active models: none, one that fails, one before it."""

import gc
import io
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from api.app import create_app
from netheal.bundles.served import ServedBundle
from netheal.errors import ModelFailure
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate, deactivate
from netheal.registry.models import Upload as model_upload
from netheal.registry.models import add_model
from netheal.registry.records import list_models
from netheal.scoring.model import AttackScores, ServedModel
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.uploads import flow_file, models
from tests.api.uploads.conftest import ATTACK_HEADER, ATTACK_ROW, NOTHING, THREAT_CSV, URL, Document, Upload


@pytest.mark.usefixtures("starters")
def test_a_model_that_fails_is_deactivated_and_the_answer_says_what_to_do(
    upload: Upload, stored: Callable[[], Document], database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(model: ServedModel, _: object) -> AttackScores:
        raise ModelFailure("it failed", model.bundle.hash)

    monkeypatch.setattr(ServedModel, "attack_scores", fails)
    response = upload(f"{ATTACK_HEADER}\n{ATTACK_ROW}\n")
    assert (response.status_code, response.get_json()["error"]["code"]) == (409, "no_active_model")
    assert stored() == NOTHING
    with transaction(database) as cursor:
        cursor.execute("select state from models where model_type = 'attack_classifier'")
        assert cursor.fetchall() == [("inactive",)]
    assert upload(THREAT_CSV).status_code == 200


@pytest.mark.usefixtures("starters")
def test_the_file_is_scored_again_by_the_model_before_the_one_that_fails(
    upload: Upload,
    stored: Callable[[], Document],
    database: Connection,
    api_settings: Settings,
    attack_bundle: ServedBundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer = ServedBundle(replace(attack_bundle.manifest, version="newer"), attack_bundle.onnx)
    reason = ChangeReason("test")
    model = add_model(database, Artefacts(api_settings.paths.artefacts_dir), newer, model_upload("n.joblib", 1), reason)
    activate(database, model.id, reason)
    scores, calls = ServedModel.attack_scores, []

    def fails_later(served: ServedModel, features: Any) -> AttackScores:
        calls.append(served.bundle.hash)
        if served.bundle.hash == newer.hash and len(calls) == 2:
            raise ModelFailure("it failed", newer.hash)
        return scores(served, features)

    monkeypatch.setattr(ServedModel, "attack_scores", fails_later)
    monkeypatch.setattr(flow_file, "_CHUNK_ROWS", 1)
    answer = upload(f"{ATTACK_HEADER}\n" + f"{ATTACK_ROW}\n" * 3).get_json()
    assert answer["models"]["attack_classifier"]["hash"] != newer.hash
    used = {p["attack_prediction"]["model_hash"] for p in answer["predictions"]}
    assert used == {answer["models"]["attack_classifier"]["hash"]}
    assert len(answer["predictions"]) == stored()["verdicts"] == stored()["delta verdicts"] == 3
    assert (stored()["uploads"], stored()["total_counts"]) == (1, 3)


def test_without_a_model_the_answer_says_to_activate_one(upload: Upload, stored: Callable[[], Document]) -> None:
    response = upload(THREAT_CSV)
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (409, "no_active_model")
    assert "activate a threat_detector" in error["message"]
    assert stored() == NOTHING


@pytest.mark.usefixtures("starters")
def test_a_model_that_somebody_else_deactivates_gives_its_memory_back(
    api_settings: Settings, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job, or another API, whose changes this process does not hear of."""
    scores, seen = ServedModel.attack_scores, []

    def watched(served: ServedModel, features: Any) -> AttackScores:
        seen.append(weakref.ref(served))
        return scores(served, features)

    monkeypatch.setattr(ServedModel, "attack_scores", watched)
    monkeypatch.setattr(models, "_IDLE_S", 0.5)
    form = {"file": (io.BytesIO(f"{ATTACK_HEADER}\n{ATTACK_ROW}\n".encode()), "flows.csv")}
    app = create_app(api_settings)
    assert app.test_client().post(URL, data=form).status_code == 200
    for active in list_models(database, "attack_classifier"):
        deactivate(database, active.id, ChangeReason("the job"))
    limit = time.monotonic() + 60
    while gc.collect() >= 0 and seen[0]() is not None:
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert app.extensions["netheal"], "nor did the whole API go"
