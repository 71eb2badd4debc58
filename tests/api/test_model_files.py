"""The file that a model was made of: kept, given back byte by byte, known again, counted, deleted with the model."""

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from netheal.bundles.served import ServedBundle
from netheal.errors import BundleError, Conflict
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason
from netheal.registry.models import Quota, Upload, add_model
from netheal.settings import Settings
from netheal.store.database import Connection
from tests.unit.bundles.intake.honest_bundles import honest, packed

ATTACK = "attack_classifier"
UPLOAD = "/api/v1/models/upload"


@pytest.fixture(scope="module")
def content() -> bytes:
    """A small bundle."""
    return packed(honest("tree").layout, "pkl5")[1]


def send(client: FlaskClient, content: bytes, name: str = "tree.pkl", **fields: str) -> TestResponse:
    form = {"file": (io.BytesIO(content), name), "model_type": ATTACK, **fields}
    return client.post(UPLOAD, data=form)


def sent(client: FlaskClient, content: bytes, **fields: str) -> dict[str, Any]:
    answer = send(client, content, **fields)
    assert answer.status_code == 201, answer.get_json()
    return dict(answer.get_json())


def download(client: FlaskClient, model: dict[str, Any]) -> TestResponse:
    return client.get(f"/api/v1/models/{model['id']}/bundle")


def kept(settings: Settings) -> list[str]:
    folder = Path(settings.paths.artefacts_dir) / "originals"
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def test_the_file_comes_back_as_it_was_handed_in(client: FlaskClient, content: bytes) -> None:
    answer = download(client, sent(client, content, name="../my tree.pkl"))
    assert (answer.status_code, answer.data) == (200, content)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my tree.pkl"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Netheal-Note"] == "A bundle is a program: only load it if you trust whoever made it."


def test_whoever_may_not_change_models_may_not_download_them(app: APIFlask) -> None:
    spec: Any = app.spec
    operation = spec["paths"]["/api/v1/models/{model_id}/bundle"]["get"]
    assert operation["x-role"] == "operator"
    assert "A bundle is a program" in operation["description"]
    assert list(operation["responses"]["200"]["content"]) == ["application/octet-stream"]


@pytest.mark.usefixtures("starters")
def test_a_starters_file_comes_back_and_is_known_again(client: FlaskClient, models: Path) -> None:
    (starter,) = client.get(f"/api/v1/models/?model_type={ATTACK}").get_json()["models"]
    file = (models / ATTACK / "attack_classifier.joblib").read_bytes()
    assert download(client, starter).data == file
    profile = (models / ATTACK / "attack_classifier_profile.json").read_text("utf-8")
    again = send(client, file, name="attack_classifier.joblib", profile_config=profile)
    assert (again.status_code, again.get_json()["id"]) == (200, starter["id"])
    assert again.get_json()["message"].startswith(f"Already uploaded as {starter['model_version']} ")


def test_the_same_file_is_the_same_model(client: FlaskClient, content: bytes, api_settings: Settings) -> None:
    first = sent(client, content, description="a tree")
    again = send(client, content, name="other.pkl", description="another")
    message = f"Already uploaded as {first['model_version']} (model {first['id']}, validated): nothing changed"
    assert (again.status_code, again.get_json()) == (200, first | {"message": message})
    assert client.get("/api/v1/models/").get_json()["total"] == 1
    profiled = sent(client, content, profile_config='{"preprocessing_notes": "scaled"}')
    assert profiled["id"] != first["id"]
    assert send(client, content, profile_config='{ "preprocessing_notes":"scaled" }').get_json()["id"] == profiled["id"]
    assert send(client, content, profile_config="{").status_code == 422, "a wrong profile is refused, as before"
    assert send(client, content, model_type="threat_detector").status_code == 422, "it is none"
    assert kept(api_settings) == [hashlib.sha256(content).hexdigest()]


def test_a_refused_file_is_refused_again_and_not_kept(client: FlaskClient, api_settings: Settings) -> None:
    assert [send(client, b"no bundle").status_code for _ in range(2)] == [422, 422]
    assert client.get("/api/v1/models/").get_json()["total"] == 0
    assert kept(api_settings) == []


def test_of_two_uploads_of_a_file_at_once_one_becomes_a_model(app: APIFlask, content: bytes) -> None:
    start = threading.Barrier(2)

    def upload(_: int) -> tuple[int, int]:
        start.wait()
        answer = send(app.test_client(), content)
        return answer.status_code, answer.get_json()["id"]

    with ThreadPoolExecutor(2) as clients:
        answers = list(clients.map(upload, range(2)))
    assert sorted(status for status, _ in answers) == [200, 201]
    assert len({model_id for _, model_id in answers}) == 1


def test_a_file_is_deleted_with_the_last_model_made_of_it(
    client: FlaskClient, content: bytes, api_settings: Settings
) -> None:
    first, second = sent(client, content), sent(client, content, profile_config="{}")
    storage = client.get("/api/v1/models/stats/storage").get_json()
    files = [file for file in Path(api_settings.paths.artefacts_dir).rglob("*") if file.is_file()]
    assert storage["total_bytes"] == sum(file.stat().st_size for file in files) > len(content)
    assert storage["by_type"][ATTACK]["bytes"] == storage["total_bytes"]
    assert client.delete(f"/api/v1/models/{first['id']}").status_code == 200
    assert download(client, first).data == content, "its record and its file stay"
    assert sent(client, content)["id"] not in (first["id"], second["id"]), "a deleted model is not given back"
    for model in client.get("/api/v1/models/").get_json()["models"]:
        assert download(client, model).data == content
        client.delete(f"/api/v1/models/{model['id']}?delete_file=true")
    assert kept(api_settings) == [hashlib.sha256(content).hexdigest()], "the first one still has it"
    assert download(client, first).data == content


def test_a_file_that_is_gone_or_altered_is_not_given_out(
    client: FlaskClient, content: bytes, api_settings: Settings
) -> None:
    model = sent(client, content)
    path = Path(api_settings.paths.artefacts_dir) / "originals" / hashlib.sha256(content).hexdigest()
    path.write_bytes(content + b"more")
    assert "was altered" in download(client, model).get_json()["error"]["message"]
    client.delete(f"/api/v1/models/{model['id']}?delete_file=true")
    assert not path.exists()
    answer = download(client, model)
    assert answer.status_code == 404
    assert answer.get_json()["error"]["message"] == f"model {model['id']} was deleted, and its bundle with it"
    assert download(client, {"id": 99}).status_code == 404


def test_a_file_that_was_not_kept_is_kept_when_it_comes_again(
    client: FlaskClient, content: bytes, api_settings: Settings
) -> None:
    """Models of a netheal that kept no files have none."""
    model = sent(client, content)
    (Path(api_settings.paths.artefacts_dir) / "originals" / model["source_sha256"]).unlink()
    answer = download(client, model)
    assert (answer.status_code, answer.get_json()["error"]["message"]) == (
        404,
        f"model {model['id']} has no bundle to download: its file was not kept: upload it again, and it is",
    )
    assert send(client, content).get_json()["id"] == model["id"]
    assert download(client, model).data == content


def test_a_model_whose_artefact_is_gone_comes_back_by_its_file(
    client: FlaskClient, content: bytes, api_settings: Settings
) -> None:
    model = sent(client, content)
    (Path(api_settings.paths.artefacts_dir) / model["bundle_hash"] / "model.onnx").write_bytes(b"")
    assert sent(client, content)["id"] != model["id"]


def test_files_count_towards_the_quota_and_must_be_what_was_examined(
    database: Connection, api_settings: Settings, attack_bundle: ServedBundle
) -> None:
    artefacts, content = Artefacts(api_settings.paths.artefacts_dir), b"x" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    bundle = ServedBundle(replace(attack_bundle.manifest, source_sha256=sha256), attack_bundle.onnx)
    upload, reason = Upload("b.joblib", 1000, original=io.BytesIO(content)), ChangeReason("test")
    with pytest.raises(Conflict, match="NETHEAL_MODELS_MAX_BYTES"):
        add_model(database, artefacts, bundle, upload, reason, Quota(9, len(bundle.onnx) + 999))
    with pytest.raises(BundleError, match="not the one that was examined"):
        add_model(database, artefacts, attack_bundle, upload, reason)
    assert kept(api_settings) == []
    add_model(database, artefacts, bundle, upload, reason, Quota(9, len(bundle.onnx) + 1000))
    assert kept(api_settings) == [sha256]
    small = ServedBundle(replace(bundle.manifest, version="other"), bundle.onnx)
    with pytest.raises(Conflict, match="NETHEAL_MODELS_MAX_BYTES"):
        add_model(database, artefacts, small, Upload("b.joblib", 1), reason, Quota(9, 2 * len(bundle.onnx) + 1500))
