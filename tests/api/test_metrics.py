"""/metrics shows what is declared, with the store's numbers, and goes on where a service is away."""

import pytest
from flask.testing import FlaskClient
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from api.app import create_app
from netheal.metrics import METRICS
from netheal.settings import Settings
from netheal.store.database import Connection


def scraped(client: FlaskClient) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(family: Metric, **labels: str) -> float:
    return next(
        s.value for s in family.samples if labels.items() <= s.labels.items() and not s.name.endswith("_bucket")
    )


@pytest.fixture
def counted(client: FlaskClient, database: Connection) -> FlaskClient:
    rows = [("prediction", "attack", 3), ("class", "DDoS", 2), ("rejected", "not_json", 5), ("action", "block_ip", 1)]
    with database, database.cursor() as cursor:
        for row in rows:
            cursor.execute("insert into total_counts values (%s, %s, %s)", row)
        cursor.execute("insert into notification_channels (channel, last_id, sent, failed) values ('webhook', 9, 7, 2)")
    return client


def test_the_stores_counts_are_shown(counted: FlaskClient) -> None:
    found = scraped(counted)
    assert value(found["netheal_predictions"], verdict="attack") == 3
    assert value(found["netheal_attack_predictions"], **{"class": "DDoS"}) == 2
    assert value(found["netheal_rejected"], reason="not_json") == 5
    assert value(found["netheal_actions"], action="block_ip") == 1
    assert value(found["netheal_notifications"], channel="webhook", result="sent") == 7
    assert value(found["netheal_notifications"], channel="webhook", result="failed") == 2
    assert value(found["netheal_service_up"], service="postgres") == 1
    assert value(found["netheal_service_up"], service="broker") == 0
    assert value(found["netheal_ready"]) == 0
    assert "netheal_lag_rows" not in found, "a lag that is not known is not shown as 0"


def test_requests_are_counted_by_route_not_by_path(client: FlaskClient) -> None:
    for event in (1, 2):
        client.get(f"/api/v1/predictions/{event}")
    client.get("/no/such/page")
    client.get("/api/v1/predictions/stats", headers={"Host": "evil.example"})
    client.open("/api/v1/tokens", method="BREW")
    found = scraped(client)
    requests = found["netheal_api_requests"]
    assert value(requests, method="GET", route="/api/v1/predictions/<int:event_id>", status="404") == 2
    assert value(requests, method="GET", route="none", status="404") == 1
    assert value(requests, route="/api/v1/predictions/stats", status="421") == 1
    assert value(requests, method="other") == 1
    assert value(found["netheal_api_request_seconds"], route="/api/v1/predictions/<int:event_id>") == 2


def test_every_name_is_declared_with_its_meaning_and_unit(counted: FlaskClient) -> None:
    declared = {metric.name: metric for metric in METRICS}
    families = {name.removesuffix("_info"): family for name, family in scraped(counted).items()}
    found = {name: family for name, family in families.items() if not name.endswith("_created")}
    assert set(found) <= set(declared)
    for name, family in found.items():
        assert family.documentation == declared[name].meaning
        assert name.endswith(declared[name].unit)
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels <= set(declared[name].labels)


def test_without_postgres_requests_are_still_shown(api_settings: Settings) -> None:
    away = api_settings.replaced(postgres_dsn=SecretStr("postgresql://x:y@127.0.0.1:1/z"))
    client = create_app(away).test_client()
    client.get("/health/live")
    found = scraped(client)
    assert value(found["netheal_service_up"], service="postgres") == 0
    assert value(found["netheal_api_requests"], route="/health/live") == 1
    assert "netheal_predictions" not in found


def test_a_token_is_asked_for_where_others_need_one(api_settings: Settings) -> None:
    guarded = create_app(api_settings.replaced(api_tokens_required=True)).test_client()
    assert guarded.get("/metrics").status_code == 401
