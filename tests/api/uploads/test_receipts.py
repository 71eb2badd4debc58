"""A stored verdict is scored again by what it was scored by, whatever changed since; or it is said why it cannot be."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from psycopg2.extras import Json

from api.app import create_app
from api.services import Services
from netheal.bundles.served import ServedBundle, read_served
from netheal.cli.app import main
from netheal.cli.verify_command import verify_command
from netheal.contracts.schema import verdict_schema_of
from netheal.healing.policy import parse_policy, read_document
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate, deactivate, delete
from netheal.registry.models import Upload as ModelUpload
from netheal.registry.models import add_model
from netheal.scoring.model import ServedModel
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.store.delta import Layout, verdicts_layout
from netheal.store.ledger import record_policy
from tests.api.stored_rows import Row, commit_part, event, store, store_rejected
from tests.api.uploads.conftest import Upload
from tests.own_features import own_messages, own_model
from tests.stored_verdicts import stored_verdicts

REASON = ChangeReason("test")
Receipt = Callable[[int], dict[str, Any]]


@pytest.fixture
def receipt(client: FlaskClient) -> Receipt:
    """A receipt, which is what the OpenAPI document says of it."""
    document = client.get("/api/v1/openapi.json").get_json()
    answers = document["paths"]["/api/v1/predictions/{event_id}/receipt"]["get"]["responses"]
    schema = {**answers["200"]["content"]["application/json"]["schema"], "components": document["components"]}

    def ask(event_id: int) -> dict[str, Any]:
        answer = client.get(f"/api/v1/predictions/{event_id}/receipt")
        assert answer.status_code == 200, answer.get_json()
        Draft202012Validator(schema).validate(answer.get_json())
        return dict(answer.get_json())

    return ask


def refusal(client: FlaskClient, event_id: int) -> tuple[int, str]:
    answer = client.get(f"/api/v1/predictions/{event_id}/receipt")
    return answer.status_code, answer.get_json()["error"]["message"]


def example(root: Path, name: str, rows: int = 8) -> str:
    return "".join((root / "data" / "examples" / f"{name}.csv").read_text().splitlines(keepends=True)[: rows + 1])


def uploaded(upload: Upload, content: str) -> list[int]:
    answer = upload(content).get_json()
    assert answer["predictions"], answer
    return [row["traffic_data"]["id"] for row in answer["predictions"]]


def added(database: Connection, settings: Settings, bundle: ServedBundle) -> tuple[int, ServedBundle]:
    """The id of a model that is active, and its bundle as the registry names it."""
    artefacts = Artefacts(settings.paths.artefacts_dir)
    model = add_model(database, artefacts, bundle, ModelUpload("test", 0), REASON)
    activate(database, model.id, REASON)
    return model.id, artefacts.get(model.bundle_hash)


def alter(settings: Settings, column: str, value: Any) -> None:
    """In every stored row."""
    for file in (settings.paths.var_dir / "delta" / "verdicts").glob("date=*/*.parquet"):
        table = pq.read_table(file, partitioning=None)
        at = table.schema.get_field_index(column)
        table = table.set_column(at, table.schema.field(at), pa.array([value] * table.num_rows, table.schema.types[at]))
        pq.write_table(table, file)


@pytest.mark.usefixtures("starters")
@pytest.mark.parametrize("name", ["attack_v1", "threat_v1"])
def test_uploaded_rows_of_the_starters_are_bit_equal(name: str, upload: Upload, receipt: Receipt, root: Path) -> None:
    for event_id in uploaded(upload, example(root, name)):
        found = receipt(event_id)
        assert (found["outcome"], found["differences"], found["rejection"]) == ("equal", [], None)
        (model,) = found["models"]
        assert model["explanation"]["attribution"]["complete"] and sum(model["explanation"]["votes"].values()) == 60


@pytest.mark.parametrize(
    ("folder", "name", "method"),
    [
        ("attack_classifier_tree", "attack_v1", "tree_path"),
        ("threat_detector_ensemble", "threat_v1", "sampled_orders"),
    ],
)
def test_the_other_starters_are_bit_equal_and_explained_in_their_own_way(
    folder: str,
    name: str,
    method: str,
    upload: Upload,
    receipt: Receipt,
    database: Connection,
    api_settings: Settings,
    root: Path,
    models: Path,
) -> None:
    added(database, api_settings, read_served(models / folder))
    for event_id in uploaded(upload, example(root, name)):
        found = receipt(event_id)
        assert found["outcome"] == "equal"
        explanation = found["models"][0]["explanation"]
        assert explanation["method"] == method
        if method == "tree_path":
            assert explanation["path_length"] == len(explanation["path"]) > 0 and explanation["leaf"]
        else:
            told = explanation["attribution"]
            assert told["complete"] and abs(told["baseline"] + told["sum"] - explanation["answer"]) <= 1e-9
            assert abs(sum(part["contribution"] for part in told["parts"]) - told["sum"]) <= 1e-12


def stored(settings: Settings, database: Connection, bundles: Sequence[ServedBundle], **given: Any) -> list[int]:
    """Rows of a stream in Delta, and what it was bound to; their ids."""
    document = read_document(settings.paths.policy_path)
    with transaction(database) as cursor:
        record_policy(cursor, parse_policy(document).version, document)
    models = [ServedModel(bundle) for bundle in bundles]
    rows = stored_verdicts(models, parse_policy(document), **given)
    layout = verdicts_layout()
    schema = verdict_schema_of([bundle.contract for bundle in bundles])
    commit_part(Layout(layout.name, schema), settings.paths.delta_root, rows)
    return [row["event_id"] for row in rows]


def test_rows_of_the_stream_with_features_of_their_own_are_bit_equal(
    receipt: Receipt, database: Connection, api_settings: Settings
) -> None:
    _, own = added(database, api_settings, own_model().served)
    for event_id in stored(api_settings, database, [own], messages=own_messages(4)):
        found = receipt(event_id)
        assert found["outcome"] == "equal" and found["models"][0]["contract"] == own.contract.id
        parts = {part["feature"]: part for part in found["models"][0]["explanation"]["attribution"]["parts"]}
        assert parts["Payload Entropy"]["unit"] == "bits"


def test_a_column_that_was_altered_in_delta_is_named(
    receipt: Receipt, database: Connection, api_settings: Settings, models: Path
) -> None:
    bundle = read_served(models / "threat_detector")
    added(database, api_settings, bundle)
    event_id = stored(api_settings, database, [bundle])[0]
    assert receipt(event_id)["outcome"] == "equal"
    alter(api_settings, "threat_score", 0.123)
    found = receipt(event_id)
    assert found["outcome"] == "different"
    (difference,) = found["differences"]
    assert (difference["column"], difference["stored"]) == ("threat_score", 0.123)
    assert difference["rescored"] == found["models"][0]["explanation"]["answer"]


def test_a_row_verifies_by_the_policy_of_its_time(
    api_settings: Settings, database: Connection, tmp_path: Path, root: Path, models: Path
) -> None:
    path = tmp_path / "healing_policy.json"
    document = json.loads((root / "conf" / "healing_policy.json").read_text())
    path.write_text(json.dumps(document))
    client = create_app(api_settings.replaced(conf_dir=tmp_path)).test_client()
    added(database, api_settings, read_served(models / "attack_classifier"))
    versions = set()
    ids = []
    for description in ("Looking away", "Looking closely"):
        document["classes"]["BENIGN"]["description"] = description
        path.write_text(json.dumps(document))
        files = {"file": (root / "data" / "examples" / "attack_v1.csv").open("rb")}
        answer = client.post("/api/v1/upload/csv?limit=3", data=files)
        ids += [row["traffic_data"]["id"] for row in answer.get_json()["predictions"]]
    for event_id in ids:
        found = client.get(f"/api/v1/predictions/{event_id}/receipt").get_json()
        assert found["outcome"] == "equal", found
        versions.add(found["policy_version"])
    assert len(versions) == 2
    with transaction(database) as cursor:
        cursor.execute(
            "update policies set document = %s where version = %s", (Json(document | {"classes": {}}), min(versions))
        )
    assert {client.get(f"/api/v1/predictions/{of}/receipt").status_code for of in ids} == {200, 409}


def test_a_model_that_is_deleted_verifies_while_its_file_is_kept(
    client: FlaskClient, receipt: Receipt, database: Connection, api_settings: Settings, models: Path
) -> None:
    bundle, artefacts = read_served(models / "threat_detector"), Artefacts(api_settings.paths.artefacts_dir)
    model_id, _ = added(database, api_settings, bundle)
    event_id = stored(api_settings, database, [bundle])[0]
    deactivate(database, model_id, REASON)
    delete(database, model_id, REASON)
    assert receipt(event_id)["outcome"] == "equal"
    with transaction(database) as cursor:
        cursor.execute("update models set state = 'inactive' where id = %s", (model_id,))
    delete(database, model_id, REASON, artefacts)
    status, message = refusal(client, event_id)
    assert status == 409
    named = f"model {model_id} ({bundle.manifest.version}) was deleted with its file on {datetime.now(UTC):%Y-%m-%d}"
    assert message == f"the verdict cannot be verified: {named}"


@pytest.mark.parametrize(("file", "change"), [("manifest.json", b"{}"), ("model.onnx", b"x"), ("model.onnx", None)])
def test_an_artefact_that_was_altered_or_lost_is_told(
    file: str, change: bytes | None, client: FlaskClient, database: Connection, api_settings: Settings, models: Path
) -> None:
    bundle = read_served(models / "threat_detector")
    model_id, _ = added(database, api_settings, bundle)
    event_id = stored(api_settings, database, [bundle])[0]
    path = Path(api_settings.paths.artefacts_dir) / bundle.hash / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change)
    status, message = refusal(client, event_id)
    assert status == 409
    assert message.startswith(f"the verdict cannot be verified: model {model_id} ({bundle.manifest.version}): ")


def test_what_names_no_bundle_is_not_looked_for(
    client: FlaskClient, database: Connection, api_settings: Settings, models: Path
) -> None:
    bundle = read_served(models / "threat_detector")
    event_id = stored(api_settings, database, [bundle])[0]
    assert "the registry does not know the model" in refusal(client, event_id)[1]
    alter(api_settings, "threat_model_hash", "../../secrets")
    assert refusal(client, event_id)[1].endswith("what the row names as its model is no hash of a bundle")


def test_what_has_no_whole_row_is_told_apart(client: FlaskClient, database: Connection) -> None:
    store(database, [Row(event(4))])
    at = datetime.now(UTC)
    store_rejected(database, [{"event_id": event(5), "recorded_at": at, "offset": 5, "reason": "not_json"}])
    assert refusal(client, event(4)) == (
        409,
        f"event {event(4)} is scored, and its row is not in the archive: if its micro-batch is not finished yet, ask"
        " again when it is",
    )
    rejected = f"event {event(5)} was rejected (not_json): there is no verdict to be verified"
    assert refusal(client, event(5)) == (404, rejected)
    assert refusal(client, event(6))[0] == refusal(client, 2**63)[0] == refusal(client, 2**200)[0] == 404


def test_one_receipt_is_made_at_a_time(
    app: APIFlask, client: FlaskClient, database: Connection, api_settings: Settings, models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bundle = read_served(models / "threat_detector")
    added(database, api_settings, bundle)
    event_id = stored(api_settings, database, [bundle])[0]
    services: Services = app.extensions["netheal"]
    monkeypatch.setattr("netheal.receipts.verification._WAIT_S", 0.01)
    with services.receipts._turn:
        assert refusal(client, event_id)[0] == 503
    assert client.get(f"/api/v1/predictions/{event_id}/receipt").status_code == 200


def test_the_command_tells_by_its_exit_status(
    database: Connection, api_settings: Settings, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles = [read_served(models / name) for name in ("attack_classifier_tree", "threat_detector_ensemble")]
    for bundle in bundles:
        added(database, api_settings, bundle)
    ids = stored(api_settings, database, bundles)
    for event_id in ids[:8]:
        assert verify_command(api_settings, event_id, as_json=False) == 0
    said = capsys.readouterr().out
    assert "bit-equal: scored again, " in said and "leaf: " in said and "  complete: baseline" in said
    assert verify_command(api_settings, ids[0], as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "equal"
    alter(api_settings, "is_attack", None)
    assert verify_command(api_settings, ids[0], as_json=False) == 1
    assert "is_attack: stored nothing, scored again " in capsys.readouterr().out
    assert verify_command(api_settings, event(7, 900), as_json=True) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["reason"][:24]) == ("unverifiable", "there is no verdict of e")


def test_the_command_says_where_there_is_no_database(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], own_logging: None
) -> None:
    for dsn, message in (("", "there is no Postgres: "), ("postgresql://127.0.0.1:1/x", "Postgres does not answer: ")):
        clean_environment.setenv("NETHEAL_POSTGRES_DSN", dsn)
        clean_environment.setattr("sys.argv", ["netheal", "verify", "5", "--var", str(tmp_path)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith(f"netheal: {message}") and said.count("\n") == 1
