"""A model of other features than the shipped ones, as its maker hands it in, and an analyst's CSV with its columns."""

import io
import json
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable
from flask.testing import FlaskClient

from netheal.contracts.declared_features import declared_column
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from tests.api.uploads.conftest import THREAT_CSV, Upload
from tests.own_features import NAMES, PROFILE, own_messages, own_model

MODELS = "/api/v1/models"


def hand_in(client: FlaskClient, file: bytes, profile: dict[str, Any] | None) -> Any:
    form: dict[str, Any] = {"file": (io.BytesIO(file), "mine.joblib"), "model_type": "threat_detector"}
    if profile is not None:
        form["profile_config"] = (io.BytesIO(json.dumps(profile).encode()), "mine_profile.json")
    return client.post(f"{MODELS}/upload", data=form)


@pytest.fixture
def own_id(client: FlaskClient, starters: None) -> int:
    """The own model's id; it is active."""
    answer = hand_in(client, own_model().file, PROFILE)
    assert answer.status_code == 201, answer.get_json()
    assert "a contract of its own" in answer.get_json()["validation_results"]["warnings"][0]
    model_id = int(answer.get_json()["id"])
    assert client.post(f"{MODELS}/{model_id}/activate").status_code == 200
    return model_id


def csv_of(messages: list[dict[str, Any]]) -> str:
    """With headers as people write them: other case, no leading spaces."""
    headers = ["Duration", "PROTOCOL_TYPE", "flow iat max", "src bytes", "payload_entropy"]
    rows = [",".join(str(message[name]) for name in NAMES) for message in messages]
    return "\n".join([",".join(headers), *rows]) + "\n"


@pytest.mark.usefixtures("own_id")
def test_a_csv_with_its_columns_is_scored_and_stored_with_its_features(
    client: FlaskClient, upload: Upload, api_settings: Settings
) -> None:
    messages = own_messages(20)
    answer = upload(csv_of(messages)).get_json()
    assert (answer["total_rows"], answer["rejected_rows"]) == (20, 0)
    scores = [row["threat_prediction"]["prediction_score"] for row in answer["predictions"]]
    np.testing.assert_allclose(scores, own_model().scores(messages), atol=1e-6)
    first = answer["predictions"][0]["traffic_data"]
    assert first["features"] == {name: messages[0][name] for name in NAMES}
    found = client.get(f"/api/v1/predictions/{first['id']}").get_json()
    assert found["features"]["Payload Entropy"] == messages[0]["Payload Entropy"]
    assert found["categories"] == {"protocol_type": messages[0]["protocol_type"]}
    assert found["contracts"] == [own_model().served.contract.id]
    again = client.get(f"/api/v1/uploads/{answer['batch_id']}/predictions").get_json()["predictions"]
    assert [row["traffic_data"] for row in again] == [row["traffic_data"] for row in answer["predictions"]]
    table = DeltaTable(f"{api_settings.paths.delta_root}/verdicts").to_pyarrow_table()
    assert table[declared_column("Payload Entropy")].null_count == 0
    assert table["flow_duration"].null_count == 20


@pytest.mark.usefixtures("own_id")
def test_rows_that_lack_one_of_its_features_are_rejected_by_its_name(upload: Upload) -> None:
    messages: list[dict[str, Any]] = [*own_messages(2), {**own_messages(1)[0], "Payload Entropy": 9}]
    messages[0]["duration"] = ""
    answer = upload(csv_of(messages)).get_json()
    assert [(row["reason"], row["field"]) for row in answer["rejected"]] == [
        ("missing_feature", "duration"),
        ("out_of_range", "Payload Entropy"),
    ]


def test_the_stored_table_gains_columns_and_keeps_its_rows(
    client: FlaskClient, upload: Upload, starters: None, api_settings: Settings
) -> None:
    assert upload(THREAT_CSV).status_code == 200
    model_id = hand_in(client, own_model().file, PROFILE).get_json()["id"]
    client.post(f"{MODELS}/{model_id}/activate")
    refused = upload(THREAT_CSV)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (409, "no_active_model")
    assert upload(csv_of(own_messages(5))).status_code == 200
    client.post(f"{MODELS}/rollback/threat_detector", json={})
    assert upload(THREAT_CSV).status_code == 200
    table = DeltaTable(f"{api_settings.paths.delta_root}/verdicts").to_pyarrow_table()
    assert table.num_rows == 3 + 5 + 3
    assert table[declared_column("Payload Entropy")].null_count == 6


def test_its_contract_is_told_while_it_is_registered(client: FlaskClient, own_id: int) -> None:
    own = own_model().served.contract
    assert client.get(f"{MODELS}/{own_id}").get_json()["contract"] == own.id
    told = client.get("/api/v1/contracts").get_json()["contracts"]
    assert [c["id"] for c in told if not c["shipped"]] == [own.id]
    found = client.get(f"/api/v1/contracts/{own.id}").get_json()
    assert [feature["name"] for feature in found["features"]] == list(NAMES)
    assert found["features"][-1] | {"unit": "bits", "maximum": 8.0} == found["features"][-1]
    client.post(f"{MODELS}/rollback/threat_detector", json={})
    assert all(c["shipped"] for c in client.get("/api/v1/contracts").get_json()["contracts"])
    assert client.get(f"/api/v1/contracts/{own.id}").status_code == 200


def test_without_its_profile_the_undeclared_feature_is_named(client: FlaskClient, starters: None) -> None:
    refused = hand_in(client, own_model().file, None)
    assert refused.status_code == 422
    message = refused.get_json()["error"]["message"]
    assert '"Payload Entropy"' in message and '"feature_definitions"' in message and '"duration"' not in message


def test_a_model_whose_features_nobody_described_stays_out(
    client: FlaskClient, own_id: int, database: Connection
) -> None:
    """As earlier versions took them in."""
    client.post(f"{MODELS}/rollback/threat_detector", json={})
    with transaction(database) as cursor:
        cursor.execute(
            "update models set manifest = jsonb_set(manifest, '{contract,features,4,column}', to_jsonb('topic'::text))"
            " where id = %s",
            (own_id,),
        )
    refused = client.post(f"{MODELS}/{own_id}/activate")
    assert refused.status_code == 409
    assert "upload its bundle again with a profile" in refused.get_json()["error"]["message"]
