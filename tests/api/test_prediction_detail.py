"""One verdict tells everything: features from the archive, or why they are not there; any other id is a 404."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from netheal.contracts import contract, wire_contracts
from netheal.contracts.event_id import UPLOAD_PARTITION
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.store.delta import verdicts_layout
from tests.api.stored_rows import NOW, Row, commit_part, event, read, refused, store, store_batch, store_model

EVENT = event(5)


def whole(event_id: int = EVENT, **changed: Any) -> dict[str, Any]:
    """A row of the archive with the features of threat/v1 and one more."""
    row = {
        "event_id": event_id,
        "recorded_at": NOW,
        "topic": "network-traffic",
        "partition": event_id % 1024,
        "offset": event_id // 1024,
        "batch_id": 3,
        "is_attack": True,
        "threat_score": 0.75,
        "threat_threshold": 0.5,
        "threat_is_attack": True,
        "threat_model_version": "ensemble",
        "threat_model_hash": "h",
        "action_type": "alert_admin",
        "action_description": "Alerting administrator",
        "action_params": "{}",
        "action_status": "logged",
        "policy_version": "abc",
        "src_ip": "198.51.100.7",
        "src_port": 4711,
        "sensor_event_id": "flow-1",
        "service_category": "http",
        "flow_duration": 12.0,
    }
    features = dict.fromkeys(contract("threat/v1").columns, 0.5)
    return row | features | changed


def archive(settings: Settings, *found: dict[str, Any]) -> None:
    commit_part(verdicts_layout(), settings.paths.delta_root, found)


def test_features_have_the_names_of_the_contract(
    client: FlaskClient, database: Connection, api_settings: Settings
) -> None:
    store(database, [Row(EVENT, batch_id=3, action_status="verified")])
    store_batch(database, 3, (0, 10))
    archive(api_settings, whole(event(4)), whole(), whole(event(6)))
    found = read(client, f"/predictions/{EVENT}")
    assert found["features"] == dict.fromkeys(contract("threat/v1").names, 0.5) | {" Flow Duration": 12.0}
    assert found["categories"] == {"service": "http"}
    assert found["contracts"] == ["threat/v1"]
    assert found["envelope"] | {"event_id": "flow-1", "src_ip": "198.51.100.7", "src_port": 4711} == found["envelope"]
    assert (found["topic"], found["partition"], found["offset"]) == ("network-traffic", 0, 5)
    assert found["threat_prediction"]["model_version"] == "ensemble" and found["threat_prediction"]["is_attack"]
    assert (found["policy_version"], found["note"], found["upload"]) == ("abc", None, None)
    assert (found["batch"]["query_id"], found["batch"]["rows_per_s"]) == ("q", 5.0)


def test_the_action_stands_where_it_stands_now(
    client: FlaskClient, database: Connection, api_settings: Settings
) -> None:
    """The archive has the status of the first moment."""
    store(database, [Row(EVENT, action_status="verified")])
    archive(api_settings, whole())
    assert read(client, f"/predictions/{EVENT}")["self_healing_action"]["status"] == "verified"


def test_a_row_whose_batch_is_in_its_course_says_so(client: FlaskClient, database: Connection) -> None:
    store(database, [Row(EVENT, batch_id=3)])
    store_batch(database, 3, (0, 10), state="open", closed_at=None, verdicts=None, rejected=None)
    found = read(client, f"/predictions/{EVENT}")
    assert found["features"] is found["envelope"] is found["offset"] is None
    assert "not finished" in found["note"] and found["policy_version"] == "abc"


def test_a_commit_is_seen_by_the_next_look(client: FlaskClient, database: Connection, api_settings: Settings) -> None:
    store(database, [Row(EVENT), Row(event(9))])
    archive(api_settings, whole())
    assert read(client, f"/predictions/{event(9)}")["features"] is None
    archive(api_settings, whole(event(9)))
    assert read(client, f"/predictions/{event(9)}")["features"]


def test_a_row_that_left_the_hot_window_is_still_found(client: FlaskClient, api_settings: Settings) -> None:
    archive(api_settings, whole(event(1), recorded_at=NOW - timedelta(days=300)))
    archive(api_settings, whole())
    found = read(client, f"/predictions/{event(1)}")
    assert found["features"] and found["batch"] is None


def test_novelty_and_the_kind_of_confidence_outlive_the_hot_window(
    client: FlaskClient, database: Connection, api_settings: Settings
) -> None:
    """The archive has the one, the registry the other."""
    store_model(database, "threat_detector", "ensemble", 0.5, "probability")
    known = whole(threat_model_hash="hash of ensemble", threat_novelty=0.5, threat_is_novel=True)
    archive(api_settings, known, whole(event(6)))
    told = ("novelty", "is_novel", "confidence_kind", "threshold")
    found = [read(client, f"/predictions/{of}")["threat_prediction"] for of in (EVENT, event(6))]
    assert [tuple(row[name] for name in told) for row in found] == [
        (0.5, True, "probability", 0.5),
        (None, None, None, 0.5),
    ]


def test_parts_from_before_a_column_was_added_can_be_read(client: FlaskClient, api_settings: Settings) -> None:
    layout = verdicts_layout()
    older = type(layout)(layout.name, layout.schema.remove(layout.schema.get_field_index("flow_id")))
    commit_part(older, api_settings.paths.delta_root, [whole()])
    archive(api_settings, whole(event(9)))
    assert read(client, f"/predictions/{EVENT}")["envelope"]["flow_id"] is None


def test_the_batch_is_the_one_whose_offsets_hold_the_event(client: FlaskClient, database: Connection) -> None:
    """Another stream numbers its batches alike, and a topic that was made again goes on above the old offsets."""
    with transaction(database) as cursor:
        cursor.execute("insert into topics (topic, topic_id, offset_base) values ('network-traffic', 'two', 10)")
    store_batch(database, 3, (0, 10), query_id="later", topic_id="two")
    store_batch(database, 3, (0, 10))
    store(database, [Row(event(9), batch_id=3), Row(event(10), batch_id=3), Row(event(20), batch_id=3)])
    shown = [read(client, f"/predictions/{event(offset)}")["batch"] for offset in (9, 10, 20)]
    assert [batch and batch["query_id"] for batch in shown] == ["q", "later", None]


def test_a_row_of_an_upload_names_its_file(client: FlaskClient, database: Connection) -> None:
    store_batch(database, 1, (0, 10))
    with transaction(database) as cursor:
        cursor.execute(
            "insert into uploads (batch_id, actor, source_name, models, policy_version, state)"
            " values ('20241201_143022_abc123', 'me', 'flows.csv', '{}', 'abc', 'done')"
        )
    store(database, [Row(event(1, UPLOAD_PARTITION), batch_id=1)])
    found = read(client, f"/predictions/{event(1, UPLOAD_PARTITION)}")
    assert (found["source"], found["upload"]["batch_id"]) == ("upload", "20241201_143022_abc123")
    assert found["batch"] is None


@pytest.mark.parametrize("wrong", ["1", "0", "-1", "x", "1.5", str(2**53), str(2**63), "9" * 100, "%00"])
def test_another_id_is_not_found(client: FlaskClient, api_settings: Settings, wrong: str) -> None:
    archive(api_settings, whole())
    for path in ("predictions", "quarantine"):
        assert refused(client, f"/{path}/{wrong}") == (404, "not_found")


def test_an_archive_that_cannot_be_read_is_no_empty_one(
    client: FlaskClient, database: Connection, api_settings: Settings
) -> None:
    store(database, [Row(EVENT)])
    archive(api_settings, whole())
    (part,) = (api_settings.paths.var_dir / "delta" / "verdicts").glob("date=*/*.parquet")
    part.write_bytes(b"not parquet")
    assert refused(client, f"/predictions/{EVENT}") == (503, "service_unavailable")


def test_contracts_are_told_with_their_hashes(client: FlaskClient) -> None:
    listed = read(client, "/contracts")["contracts"]
    assert [(told["id"], told["hash"]) for told in listed] == [(known.id, known.hash) for known in wire_contracts()]
    attack = client.get("/api/v1/contracts/attack/v1").get_json()
    assert attack == listed[0] and attack["features"][0]["name"] == " Destination Port"
    assert (len(attack["features"]), len(attack["classes"]), attack["classes"][0]["name"]) == (42, 14, "BENIGN")
    assert client.get("/api/v1/contracts/threat/v1").get_json()["classes"] is None
    assert refused(client, "/contracts/attack/v9") == (404, "not_found")
