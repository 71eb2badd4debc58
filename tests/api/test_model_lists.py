"""The list of models: in pages, bounded, and there whatever one of its rows holds."""

import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from netheal.bundles.served import ServedBundle
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason
from netheal.registry.models import Upload, add_model
from netheal.registry.records import ModelRecord
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.uploads import bundles

LIST, UPLOAD = "/api/v1/models/", "/api/v1/models/upload"
ATTACK = "attack_classifier"
Add = Callable[[str], ModelRecord]


@pytest.fixture
def add(database: Connection, api_settings: Settings, attack_bundle: ServedBundle) -> Add:
    """Registers a model under a name."""
    artefacts = Artefacts(api_settings.paths.artefacts_dir)

    def named(version: str) -> ModelRecord:
        bundle = ServedBundle(replace(attack_bundle.manifest, version=version), attack_bundle.onnx)
        return add_model(database, artefacts, bundle, Upload("bundle.joblib", 1), ChangeReason("test"))

    return named


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("column", "document", "kept"),
    [
        ("profile", nested(1_484), True),
        ("profile", nested(5_000), True),
        ("validation", nested(1_484), True),
        ("manifest", nested(1_484), False),
        ("manifest", "{}", False),
        ("manifest", "[1]", False),
        ("manifest", '{"contract": {"id": 5}, "classes": 7}', False),
    ],
)
def test_a_row_that_cannot_be_read_is_listed_with_what_can_be_said(
    add: Add, client: FlaskClient, database: Connection, column: str, document: str, kept: bool
) -> None:
    whole, damaged = add("whole"), add("damaged")
    with transaction(database) as cursor:
        cursor.execute(f"update models set {column} = %s where id = %s", (document, damaged.id))
    answer = client.get(LIST)
    assert answer.status_code == 200
    first, second = answer.get_json()["models"]
    assert (first["id"], first["model_version"], first["state"]) == (damaged.id, "damaged", "validated")
    assert first["damage"].startswith(f"its {column} cannot be read")
    assert first["contract"] == ("attack/v1" if kept else None)
    assert (second["id"], second["damage"]) == (whole.id, None)
    assert client.get(f"/api/v1/models/{damaged.id}").get_json() == first
    activated = client.post(f"/api/v1/models/{damaged.id}/activate")
    assert activated.status_code == (200 if kept else 409)
    assert kept or "upload it again" in activated.get_json()["error"]["message"]
    assert client.get("/api/v1/models/stats/storage").status_code == 200


def test_pages_have_every_model_once(add: Add, client: FlaskClient) -> None:
    ids = [add(f"model_{number}").id for number in range(5)]
    seen, cursor = [], None
    while True:
        page = client.get(LIST, query_string={"limit": 2, **({"cursor": cursor} if cursor else {})}).get_json()
        assert page["total"] == 5 and len(page["models"]) <= 2
        seen += [model["id"] for model in page["models"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert client.get(LIST, query_string={"cursor": "nonsense"}).status_code == 422


@pytest.mark.parametrize("profile", [nested(33), nested(1_484), json.dumps({"steps": ["x"] * 50_001})])
def test_a_profile_that_is_too_deep_or_too_large_is_refused(client: FlaskClient, models: Path, profile: str) -> None:
    form = {
        "file": ((models / "attack_classifier_tree" / "attack_classifier.joblib").open("rb"), "b.joblib"),
        "model_type": ATTACK,
        "profile_config": profile,
    }
    answer = client.post(UPLOAD, data=form)
    assert answer.status_code == 422
    assert "the profile is too large or nested too deeply" in answer.get_json()["error"]["message"]
    assert client.get(LIST).get_json()["total"] == 0


@pytest.mark.parametrize(
    ("settings", "word"), [({"models_max": 1}, "NETHEAL_MODELS_MAX "), ({"models_max_bytes": 40_000}, "_MAX_BYTES")]
)
def test_a_registry_that_is_full_takes_no_more(
    add: Add, api_settings: Settings, models: Path, settings: dict[str, Any], word: str
) -> None:
    first = add("first")
    client = create_app(api_settings.replaced(**settings)).test_client()

    def send() -> Any:
        file = (models / "attack_classifier_tree" / "attack_classifier.joblib").open("rb")
        return client.post(UPLOAD, data={"file": (file, "b.joblib"), "model_type": ATTACK})

    refused = send()
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (409, "conflict")
    assert word in refused.get_json()["error"]["message"]
    assert client.delete(f"/api/v1/models/{first.id}?delete_file=true").status_code == 200
    assert send().status_code == 201


def test_uploads_on_their_way_are_bounded(
    api_settings: Settings, monkeypatch: pytest.MonkeyPatch, models: Path
) -> None:
    data = (models / "attack_classifier_tree" / "attack_classifier.joblib").read_bytes()
    most = {"api_waiting_uploads": 4, "api_waiting_upload_bytes": 2 * len(data) + 20_000}
    app, entered, go_on = create_app(api_settings.replaced(**most)), threading.Event(), threading.Event()

    def waits(*_: object) -> None:
        entered.set()
        assert go_on.wait(60)

    def send(size: int) -> Any:
        form = {"file": (io.BytesIO(data[:size]), "b.joblib"), "model_type": ATTACK}
        return app.test_client().post(UPLOAD, data=form)

    monkeypatch.setattr(bundles, "require_quota", waits)
    first = threading.Thread(target=send, args=(len(data),))
    first.start()
    try:
        assert entered.wait(60)
        refused = send(len(data))
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert "NETHEAL_API_WAITING_UPLOAD_BYTES" in refused.get_json()["error"]["message"]
        entered.clear()
        second = threading.Thread(target=send, args=(100,))
        second.start()
        assert entered.wait(60)
        assert "NETHEAL_API_WAITING_UPLOADS" in send(100).get_json()["error"]["message"]
        assert app.test_client().get(LIST).status_code == 200
    finally:
        go_on.set()
    first.join()
    second.join()
    assert send(100).status_code == 422
