"""A bundle's life over the API: handed in, examined, activated, rolled back, deleted; each step told to all."""

import io
import itertools
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from api.resources import models as served_models
from netheal.bundles.served import ServedBundle
from netheal.errors import Conflict, ServiceUnavailable
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate
from netheal.registry.models import Quota, Upload, active_models, add_model
from netheal.settings import Settings
from netheal.store.database import Connection, connect, transaction

ATTACK = "attack_classifier"
UploadStarter = Callable[..., dict[str, Any]]


def shipped_profile(models: Path) -> dict[str, Any]:
    return dict(json.loads((models / ATTACK / "attack_classifier_profile.json").read_text("utf-8")))


@pytest.fixture
def upload_starter(client: FlaskClient, models: Path) -> UploadStarter:
    """Hands in the starter attack classifier, each time with notes of its own, or it would be there; the answer."""
    numbers = itertools.count()

    def send(name: str = "attack_classifier.joblib", **fields: Any) -> dict[str, Any]:
        profile = shipped_profile(models) | {"preprocessing_notes": f"upload {next(numbers)}"}
        file = (models / ATTACK / "attack_classifier.joblib").open("rb")
        form = {"file": (file, name), "model_type": ATTACK, "profile_config": json.dumps(profile), **fields}
        answer = client.post("/api/v1/models/upload", data=form)
        assert answer.status_code == 201, answer.get_json()
        return dict(answer.get_json())

    return send


def change(client: FlaskClient, model: dict[str, Any], what: str) -> dict[str, Any]:
    answer = client.post(f"/api/v1/models/{model['id']}/{what}")
    assert answer.status_code == 200, answer.get_json()
    return dict(answer.get_json())


def active(database: Connection) -> dict[str, str]:
    with transaction(database) as cursor:
        return {model.model_type: model.version for model in active_models(cursor)}


def test_an_upload_answers_what_was_found(upload_starter: UploadStarter, client: FlaskClient) -> None:
    model = upload_starter(description="a forest")
    assert model["model_type"] == ATTACK
    assert (model["state"], model["is_active"], model["description"]) == ("validated", False, "a forest")
    assert len(model["version"]) == len("20241201_143022")
    assert model["model_version"].startswith("random_forest_v1_")
    assert (len(model["expected_features"]), len(model["class_labels"])) == (42, 14)
    steps = {step["name"]: step["passed"] for step in model["validation_results"]["steps"]}
    assert model["warnings"] == model["validation_results"]["warnings"]
    assert steps == dict.fromkeys(
        ["file_format", "loading", "structure", "features", "test_prediction", "storage_and_record"], True
    )
    assert model.pop("message") == f"{model['model_version']} is in the registry, not active yet: activate it"
    assert client.get(f"/api/v1/models/{model['id']}").get_json() == model
    assert client.get(f"/api/v1/models/{model['id']}/card").status_code == 404
    assert client.get("/api/v1/models/").get_json() == {"models": [model], "total": 1, "next_cursor": None}
    none = client.get("/api/v1/models/?model_type=threat_detector").get_json()
    assert none == {"models": [], "total": 0, "next_cursor": None}


def test_the_starter_models_came_by_the_same_door(starters: None, client: FlaskClient) -> None:
    found = client.get("/api/v1/models/").get_json()["models"]
    assert {(model["model_type"], model["state"]) for model in found} == {
        ("threat_detector", "active"),
        (ATTACK, "active"),
    }
    for model in found:
        assert model["validation_results"]["accepted"]
        assert model["validation_results"]["steps"][-1]["name"] == "storage_and_record"
        assert "bundle_hash" not in model["validation_results"]["figures"], "the record says it"
        assert "held out" in client.get(f"/api/v1/models/{model['id']}/card").get_json()["card"].lower()


def test_a_model_card_is_kept(upload_starter: UploadStarter, client: FlaskClient) -> None:
    model = upload_starter(card="# A tree\nIt knows little.")
    assert client.get(f"/api/v1/models/{model['id']}/card").get_json()["card"] == "# A tree\nIt knows little."


def test_a_life_from_upload_to_deletion(
    starters: None, upload_starter: UploadStarter, client: FlaskClient, database: Connection, api_settings: Settings
) -> None:
    first = active(database)[ATTACK]
    model = upload_starter()
    changed = change(client, model, "activate")
    assert changed["replaced"]["model_version"] == first
    assert changed.items() >= client.get(f"/api/v1/models/{model['id']}").get_json().items(), "the model's own keys"
    assert (changed["id"], changed["is_active"], changed["version"]) == (model["id"], True, model["version"])
    assert active(database)[ATTACK] == model["model_version"]
    assert client.delete(f"/api/v1/models/{model['id']}").status_code == 409
    back = client.post(f"/api/v1/models/rollback/{ATTACK}").get_json()
    assert back["model_version"] == first == active(database)[ATTACK]
    assert (back["is_active"], back["replaced"]["id"]) == (True, model["id"])
    assert client.post(f"/api/v1/models/rollback/{ATTACK}").status_code == 409, "nothing lies before the starter"
    artefact = Path(api_settings.paths.artefacts_dir) / model["bundle_hash"]
    assert artefact.is_dir()
    assert client.delete(f"/api/v1/models/{model['id']}?delete_file=true").status_code == 200
    assert not artefact.exists()
    gone = client.get(f"/api/v1/models/{model['id']}").get_json()
    assert (gone["state"], gone["artefact_deleted_at"] is None) == ("deleted", False)
    assert client.post(f"/api/v1/models/{model['id']}/activate").status_code == 409
    events = client.get(f"/api/v1/models/{model['id']}/history").get_json()["events"]
    states = [(event["from_state"], event["to_state"]) for event in events]
    assert states == [
        (None, "uploaded"),
        ("uploaded", "validated"),
        ("validated", "active"),
        ("active", "inactive"),
        ("inactive", "deleted"),
    ]
    assert {event["actor"] for event in events} == {"local"}


def test_deactivate_then_activate_the_earlier_one(
    starters: None, upload_starter: UploadStarter, client: FlaskClient, database: Connection
) -> None:
    (earlier,) = client.get(f"/api/v1/models/?model_type={ATTACK}").get_json()["models"]
    model = upload_starter()
    change(client, model, "activate")
    off = change(client, model, "deactivate")
    assert (off["id"], off["is_active"], off["state"], off["replaced"]) == (model["id"], False, "inactive", None)
    assert ATTACK not in active(database)
    change(client, earlier, "activate")
    assert active(database)[ATTACK] == earlier["model_version"]


def test_activating_what_is_active_changes_nothing(
    starters: None, upload_starter: UploadStarter, client: FlaskClient
) -> None:
    model = upload_starter()
    first = change(client, model, "activate")
    history = client.get(f"/api/v1/models/{model['id']}/history").get_json()
    again = change(client, model, "activate")
    name = f"Model {model['id']} ({model['model_version']})"
    assert (first["message"], again["message"]) == (
        f"{name} activated",
        f"{name} is active already: nothing changed",
    )
    assert again["replaced"] is None
    assert again["activated_at"] == first["activated_at"]
    assert client.get(f"/api/v1/models/{model['id']}/history").get_json() == history
    back = client.post(f"/api/v1/models/rollback/{ATTACK}").get_json()
    assert back["id"] != model["id"], "the model before is still the one before"


def test_a_change_that_was_made_is_not_answered_with_an_error_of_a_busy_pool(
    upload_starter: UploadStarter, client: FlaskClient, app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client would send it again, and be told that it is made already."""
    pool, model = app.extensions["netheal"].pool, upload_starter()

    def activated(*arguments: Any) -> Any:
        change = activate(*arguments)
        monkeypatch.setattr(pool, "connection", busy)
        return change

    def busy() -> Any:
        raise ServiceUnavailable("Postgres does not answer: the pool is busy")

    monkeypatch.setattr(served_models, "activate", activated)
    change(client, model, "activate")


def test_rollbacks_go_further_back_each_time(upload_starter: UploadStarter, client: FlaskClient) -> None:
    models = [upload_starter() for _ in range(3)]
    assert len({model["version"] for model in models}) == 3
    for model in models:
        change(client, model, "activate")
    back = [client.post(f"/api/v1/models/rollback/{ATTACK}").get_json()["id"] for _ in range(2)]
    assert back == [models[1]["id"], models[0]["id"]]


def test_two_clients_at_once_get_one_order(upload_starter: UploadStarter, app: APIFlask, database: Connection) -> None:
    models = [upload_starter() for _ in range(2)]
    start = threading.Barrier(8)

    def switch(at: int) -> tuple[int, dict[str, Any]]:
        start.wait()
        answer = app.test_client().post(f"/api/v1/models/{models[at % 2]['id']}/activate")
        return answer.status_code, answer.get_json()

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(switch, range(8)))
    assert {status for status, _ in answers} == {200}
    made = [body for _, body in answers if "nothing changed" not in body["message"]]
    with transaction(database) as cursor:
        cursor.execute("select model_id from model_events where to_state = 'active' order by id")
        order = [model_id for (model_id,) in cursor.fetchall()]
    assert len(order) == len(made)
    assert all(a != b for a, b in itertools.pairwise(order)), "each activation found the other one active"
    assert {body["id"] for body in made} == set(order)
    assert len(active(database)) == 1


def test_a_new_model_is_compared_with_the_active_one(starters: None, upload_starter: UploadStarter) -> None:
    against = upload_starter()["validation_results"]["figures"]["against_active"]
    assert against["text"] == "no stored row has the features of both models: there is nothing to compare it on"


def test_a_program_in_place_of_a_bundle_is_refused_and_not_run(client: FlaskClient, tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    form = {"file": (io.BytesIO(pickle.dumps(Hostile())), "bundle.pkl"), "model_type": ATTACK}
    answer = client.post("/api/v1/models/upload", data=form)
    assert answer.status_code == 422
    error = answer.get_json()["error"]
    assert error["code"] == "bundle_refused"
    assert [step["passed"] for step in error["details"]["validation_results"]["steps"]] == [True, False, *[None] * 3]
    assert not marker.exists()
    assert client.get("/api/v1/models/").get_json()["total"] == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model_type": ATTACK}, 422),
        ({"file": (io.BytesIO(b"x"), "bundle.joblib")}, 422),
        ({"file": (io.BytesIO(b"x"), "bundle.joblib"), "model_type": "other"}, 422),
        ({"file": (io.BytesIO(b"x"), "bundle.exe"), "model_type": ATTACK}, 422),
        ({"file": (io.BytesIO(b"x"), "../../bundle"), "model_type": ATTACK}, 422),
        ({"file": (io.BytesIO(b""), "bundle.pkl"), "model_type": ATTACK}, 422),
        ({"file": (io.BytesIO(b"x"), "b.pkl"), "model_type": ATTACK, "description": "a\0b"}, 422),
        ({"file": (io.BytesIO(b"x"), "b.pkl"), "model_type": ATTACK, "profile_config": "{"}, 422),
    ],
)
def test_a_wrong_form_is_refused_with_a_reason(client: FlaskClient, fields: dict[str, Any], status: int) -> None:
    answer = client.post("/api/v1/models/upload", data=fields, content_type="multipart/form-data")
    assert answer.status_code == status, answer.get_json()
    assert answer.get_json()["error"]["message"]


def test_a_clients_file_name_is_shown_and_never_a_path(upload_starter: UploadStarter) -> None:
    assert upload_starter("../../etc/pass\x07wd.joblib")["file_name"] == "passwd.joblib"


@pytest.mark.parametrize("path", ["999999", "99999999999999999999999", "999999/history", "999999/card"])
def test_a_model_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/api/v1/models/{path}")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_found")


def test_the_profile_of_the_active_model(starters: None, client: FlaskClient, models: Path) -> None:
    profile = client.get(f"/api/v1/models/profile/{ATTACK}").get_json()
    shipped = shipped_profile(models)
    assert profile["expected_features"] == shipped["expected_features"]
    assert profile["preprocessing_pipeline"] == shipped["preprocessing_pipeline"]
    unknown = client.get("/api/v1/models/profile/other")
    assert unknown.status_code == 404
    assert unknown.get_json()["error"]["message"].startswith('there is no model type "other": ')


def test_storage_counts_what_is_on_disk(starters: None, client: FlaskClient, api_settings: Settings) -> None:
    told = client.get("/api/v1/models/stats/storage").get_json()
    files = [file for file in Path(api_settings.paths.artefacts_dir).rglob("*") if file.is_file()]
    assert told["total_models"] == 2
    assert told["total_bytes"] == sum(file.stat().st_size for file in files)
    assert told["by_state"] == {"active": 2}


def test_what_the_registry_refuses_leaves_nothing_on_disk(
    database: Connection, api_settings: Settings, attack_bundle: ServedBundle
) -> None:
    artefacts = Artefacts(api_settings.paths.artefacts_dir)
    with pytest.raises(ValueError, match="NUL"):
        add_model(database, artefacts, attack_bundle, Upload("bundle.joblib", 1, "no text: \0"), ChangeReason("test"))
    assert artefacts.size_bytes(attack_bundle.hash) == 0
    assert (
        add_model(database, artefacts, attack_bundle, Upload("bundle.joblib", 1), ChangeReason("test")).state
        == "validated"
    )
    assert artefacts.size_bytes(attack_bundle.hash) > 0


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    connection = connect(settings.postgres.dsn.get_secret_value())
    try:
        yield connection
    finally:
        connection.close()


def test_no_activation_waits_while_a_new_model_is_measured_and_written(
    database: Connection, api_settings: Settings, attack_bundle: ServedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefacts = Artefacts(api_settings.paths.artefacts_dir)
    done: list[str] = []

    def activate_meanwhile(what: str) -> None:
        with connected(api_settings) as other, transaction(other) as cursor:
            cursor.execute("lock table models in share row exclusive mode nowait")
        done.append(what)

    def version(name: str) -> ServedBundle:
        return ServedBundle(replace(attack_bundle.manifest, version=name), attack_bundle.onnx)

    def measured(place: Artefacts, bundle_hash: str) -> int:
        activate_meanwhile("measured")
        return size_bytes(place, bundle_hash)

    def written(bundle: ServedBundle, folder: Path) -> None:
        activate_meanwhile("written")
        write_graph(bundle, folder)

    size_bytes, write_graph = Artefacts.size_bytes, ServedBundle.write_graph
    add_model(database, artefacts, version("first"), Upload("b.joblib", 1), ChangeReason("test"))
    monkeypatch.setattr(Artefacts, "size_bytes", measured)
    monkeypatch.setattr(ServedBundle, "write_graph", written)
    quota = Quota(2, 2**30)
    add_model(database, artefacts, version("second"), Upload("b.joblib", 1), ChangeReason("test"), quota)
    assert done == ["measured", "written"]
    with pytest.raises(Conflict, match="NETHEAL_MODELS_MAX allows"):
        add_model(database, artefacts, version("third"), Upload("b.joblib", 1), ChangeReason("test"), quota)
    assert len(list(Path(api_settings.paths.artefacts_dir).iterdir())) == 2, "nothing is left of what was refused"


def test_a_model_that_was_added_meanwhile_counts_towards_the_quota(
    database: Connection, api_settings: Settings, attack_bundle: ServedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefacts, write_graph = Artefacts(api_settings.paths.artefacts_dir), ServedBundle.write_graph
    quota = Quota(10, len(attack_bundle.onnx) * 3 // 2)
    others = [replace(attack_bundle.manifest, version="other")]

    def written(bundle: ServedBundle, folder: Path) -> None:
        write_graph(bundle, folder)
        if others:
            other = ServedBundle(others.pop(), attack_bundle.onnx)
            with connected(api_settings) as connection:
                add_model(connection, artefacts, other, Upload("b.joblib", 1), ChangeReason("test"))

    monkeypatch.setattr(ServedBundle, "write_graph", written)
    with pytest.raises(Conflict, match="NETHEAL_MODELS_MAX_BYTES"):
        add_model(database, artefacts, attack_bundle, Upload("b.joblib", 1), ChangeReason("test"), quota)
