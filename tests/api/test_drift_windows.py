"""Windows of drift in a real Postgres: batches add to them once, full ones are judged, and the API shows them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from netheal.bundles.served import ServedBundle
from netheal.drift.window import WindowRules
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import ChangeReason, activate
from netheal.registry.models import Upload, add_model
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.store.drift import (
    BatchDrift,
    JudgedWindow,
    added,
    count_windows_before,
    drift_of_active_models,
    forget_windows_before,
    page_of_windows,
)
from netheal.store.ledger import BatchPins, Ledger
from tests.drift_traffic import traffic

AT_ONCE = WindowRules(rows=1_000, least_s=0.0)
WHY = ChangeReason("test", "")


class Stream:
    """Closes batch after batch, as the job does."""

    def __init__(self, connection: Connection, *bundles: ServedBundle, rules: WindowRules = AT_ONCE) -> None:
        self.ledger = Ledger(connection, "query")
        self.bundles = {bundle.hash: bundle for bundle in bundles}
        self.rules = rules
        self.batches = 0

    def batch(self, counts: Mapping[str, list[int]], close_again: bool = False) -> list[JudgedWindow]:
        start, end = {"0": self.batches * 10}, {"0": self.batches * 10 + 10}
        pins = BatchPins("flows", "id", start, end, {"attack/v1": "a"}, "v")
        self.ledger.open_batch(self.batches, pins, {})
        drift = BatchDrift(counts, self.bundles, self.rules)
        judged = self.ledger.close_batch(self.batches, 10, 0, {}, drift)
        if close_again:
            assert self.ledger.close_batch(self.batches, 10, 0, {}, drift) == []
        self.batches += 1
        return judged


@pytest.fixture
def registered(database: Connection, api_settings: Settings, attack_bundle: ServedBundle) -> ServedBundle:
    """The starter attack classifier, active."""
    artefacts = Artefacts(api_settings.paths.artefacts_dir)
    with transaction(database) as cursor:
        cursor.execute("insert into topics (topic, topic_id, offset_base) values ('flows', 'id', 0)")
    model = add_model(database, artefacts, attack_bundle, Upload("m.joblib", 1), WHY)
    activate(database, model.id, WHY)
    return attack_bundle


def open_rows(database: Connection) -> list[int]:
    with transaction(database) as cursor:
        cursor.execute("select rows from drift_windows where closed_at is null order by bundle_hash")
        return [rows for (rows,) in cursor.fetchall()]


def test_a_batch_that_is_closed_twice_counts_once(database: Connection, registered: ServedBundle) -> None:
    stream = Stream(database, registered)
    counts = {registered.hash: traffic(registered, 400)}
    assert stream.batch(counts, close_again=True) == []
    assert open_rows(database) == [400]
    (window,) = stream.batch({registered.hash: traffic(registered, 700)}, close_again=True)
    assert window.rows == 1_100 and window.figures.state == "ok" and open_rows(database) == []
    (stored,) = page_of_windows(database)
    assert (stored.id, stored.rows, stored.state) == (window.id, 1_100, "ok")
    (model,) = drift_of_active_models(database)
    assert model.closed is not None
    assert model.closed.counts == added([counts, {registered.hash: traffic(registered, 700)}])[registered.hash]


def test_a_window_waits_for_its_rows_and_its_time(database: Connection, registered: ServedBundle) -> None:
    counts = {registered.hash: traffic(registered, 1_500)}
    stream = Stream(database, registered, rules=WindowRules(rows=2_000, least_s=3_600.0, most_s=7_200.0))
    assert stream.batch(counts) == stream.batch(counts) == []
    assert open_rows(database) == [3_000]
    with transaction(database) as cursor:
        cursor.execute("update drift_windows set opened_at = opened_at - interval '1 hour'")
    assert len(stream.batch(counts)) == 1


def test_each_bundle_has_a_window_of_its_own_and_a_state_before(
    database: Connection, registered: ServedBundle, threat_bundle: ServedBundle
) -> None:
    stream = Stream(database, registered, threat_bundle)
    both = {registered.hash: traffic(registered, 1_000, moved=20), threat_bundle.hash: traffic(threat_bundle, 300)}
    (alarm,) = stream.batch(both)
    assert (alarm.contract_id, alarm.before, alarm.figures.state) == ("attack/v1", None, "alarm")
    assert set(alarm.at_fault) <= set(registered.contract.names[:20]) and len(alarm.at_fault) == 5
    assert open_rows(database) == [300]
    (over,) = stream.batch({registered.hash: traffic(registered, 1_000)})
    assert (over.before, over.figures.state) == ("alarm", "ok")


def test_old_windows_go_with_the_days(database: Connection, registered: ServedBundle) -> None:
    stream = Stream(database, registered)
    for _ in range(3):
        stream.batch({registered.hash: traffic(registered, 1_000)})
    with transaction(database) as cursor:
        cursor.execute("update drift_windows set closed_at = now() - interval '31 days' where id = 1")
    assert count_windows_before(database, 0) == 0 == forget_windows_before(database, 0)
    assert count_windows_before(database, 30) == 1 == forget_windows_before(database, 30)
    assert [window.id for window in page_of_windows(database)] == [3, 2]


def test_the_api_shows_the_last_window_beside_training(
    client: FlaskClient, database: Connection, registered: ServedBundle
) -> None:
    waiting = client.get("/api/v1/drift").get_json()["models"]
    assert [(one["state"], one["window"], one["open"]) for one in waiting] == [("waiting", None, None)]
    stream = Stream(database, registered)
    stream.batch({registered.hash: traffic(registered, 1_000, moved=20)})
    stream.batch({registered.hash: traffic(registered, 250)})
    answer = client.get("/api/v1/drift").get_json()
    assert (answer["note_psi"], answer["alarm_psi"]) == (0.35, 0.5)
    (model,) = answer["models"]
    assert (model["state"], model["model_version"]) == ("alarm", registered.manifest.version)
    assert model["open"]["rows"] == 250 and model["window"]["rows"] == 1_000
    assert model["window"]["rejected_share"] == pytest.approx(10 / 1_010)
    assert model["window"]["unknown_share"] == pytest.approx(5 / 1_010)
    psi = [feature["psi"] for feature in model["features"]]
    assert len(psi) == 5 and psi == sorted(psi, reverse=True)
    for feature in model["features"]:
        assert feature["bins"][-1]["bin"].startswith("above ") and feature["bins"][-1]["window"] == 1.0
        assert sum(one["training"] for one in feature["bins"]) == pytest.approx(1)
    assert sum(one["window"] for one in model["score"]) == pytest.approx(1)
    assert "BENIGN" in {one["bin"] for one in model["classes"]}


def test_an_alarm_is_a_note_of_health_and_stands_in_the_metrics(
    client: FlaskClient, database: Connection, registered: ServedBundle
) -> None:
    Stream(database, registered).batch({registered.hash: traffic(registered, 1_000, moved=30)})
    health = client.get("/api/v1/health").get_json()
    (note,) = health["notes"]
    model = f"the attack classifier {registered.manifest.version}"
    assert f"traffic of {model} lies far from its training (mean PSI " in note
    assert not any("PSI" in reason for reason in health["reasons"])
    metrics = client.get("/metrics").text
    labels = f'{{model_type="attack_classifier",version="{registered.manifest.version}"}}'
    assert f"netheal_drift_state{labels} 2.0" in metrics and f"netheal_drift_mean_psi{labels} " in metrics
    assert metrics.count("netheal_drift_feature_psi{") == 5


def test_windows_come_newest_first_in_pages_and_by_model(
    client: FlaskClient, database: Connection, registered: ServedBundle, threat_bundle: ServedBundle
) -> None:
    stream = Stream(database, registered, threat_bundle)
    for moved in (0, 20):
        stream.batch({registered.hash: traffic(registered, 1_000, moved=moved)})
    stream.batch({threat_bundle.hash: traffic(threat_bundle, 1_000)})
    first = client.get("/api/v1/drift/windows?limit=2").get_json()
    assert [window["contract_id"] for window in first["windows"]] == ["threat/v1", "attack/v1"]
    rest = client.get(f"/api/v1/drift/windows?limit=2&cursor={first['next_cursor']}").get_json()
    assert [window["state"] for window in rest["windows"]] == ["ok"] and rest["next_cursor"] is None
    of_model = client.get("/api/v1/drift/windows?model_id=1").get_json()["windows"]
    assert [window["state"] for window in of_model] == ["alarm", "ok"]
    assert of_model[0]["features"][0]["psi"] > 1
    assert client.get("/api/v1/drift/windows?model_id=77").status_code == 404


def test_a_model_without_histograms_says_so(
    client: FlaskClient, database: Connection, api_settings: Settings, threat_bundle: ServedBundle
) -> None:
    bare = ServedBundle(replace(threat_bundle.manifest, training_histograms=None), threat_bundle.onnx)
    model = add_model(database, Artefacts(api_settings.paths.artefacts_dir), bare, Upload("m.joblib", 1), WHY)
    activate(database, model.id, WHY)
    (told,) = client.get("/api/v1/drift").get_json()["models"]
    assert (told["state"], told["window"], told["features"]) == ("no_profile", None, [])
    (found,) = drift_of_active_models(database)
    assert found.closed is None and found.open is None


def test_a_manifest_of_an_earlier_version_is_no_failure(
    client: FlaskClient, database: Connection, registered: ServedBundle
) -> None:
    with transaction(database) as cursor:
        cursor.execute("""update models set manifest = '{"format": 0}'""")
    (told,) = client.get("/api/v1/drift").get_json()["models"]
    assert (told["state"], told["contract_id"]) == ("no_profile", "")


def test_counts_of_tasks_add_up() -> None:
    parts: list[dict[str, Any]] = [{"a": [1, 2]}, {}, {"a": [3, 4], "b": [5, 6]}]
    assert added(parts) == {"a": [4, 6], "b": [5, 6]}
