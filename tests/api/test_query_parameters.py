"""A parameter that an endpoint does not know is an error by name, not a filter that silently filters nothing."""

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

FILES = {"dashboard.page", "dashboard.file", "docs.page", "docs.file", "static"}
SOCKET = "/ws/realtime"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


def refused(client: FlaskClient, method: str, url: str) -> str:
    answer = client.open(url, method=method, headers=UPGRADE if url.startswith(SOCKET) else None)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_request"), (method, url, answer.text)
    return str(answer.get_json()["error"]["message"])


def test_every_endpoint_refuses_a_parameter_that_it_does_not_know(client: FlaskClient, app: APIFlask) -> None:
    checked = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint in FILES:
            continue
        url = rule.rule.replace("<int:", "<").replace("<model_type>", "attack_classifier")
        for name in ("<model_id>", "<event_id>", "<batch_id>", "<token_id>"):
            url = url.replace(name, "1")
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            if "<" not in url:
                assert "'no_such'" in refused(client, method, f"{url}?no_such=1"), url
                checked += 1
    assert checked > 30


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("/api/v1/predictions", ["action", "attack", "class", "cursor", "limit", "min_confidence", "min_score"]),
        ("/api/v1/models/", ["cursor", "deleted", "limit", "model_type"]),
        ("/api/v1/predictions/timeline", ["minutes"]),
        (SOCKET, ["class", "detail", "min_confidence", "min_score", "only", "sample", "ticket"]),
    ],
)
def test_the_refusal_names_the_parameters_that_there_are(client: FlaskClient, url: str, known: list[str]) -> None:
    message = refused(client, "GET", f"{url}?limt=5")
    assert "'limt'" in message and ", ".join(known) in message


def test_it_says_where_there_are_none(client: FlaskClient) -> None:
    assert "none may be given here" in refused(client, "GET", "/api/v1/predictions/stats?limit=5")


@pytest.mark.parametrize(
    "url",
    [
        "/api/v1/predictions?limit=1&limit=2",
        *(f"{SOCKET}?{option}&{option}" for option in ("only=attacks", "min_score=0.5", "sample=1", "detail=full")),
        f"{SOCKET}?ticket=a&ticket=b",
    ],
)
def test_a_parameter_that_is_given_twice_is_refused(client: FlaskClient, url: str) -> None:
    assert "once" in refused(client, "GET", url)


def test_the_value_of_a_parameter_is_not_repeated(client: FlaskClient) -> None:
    assert "nh_secret" not in client.get(f"{SOCKET}?token=nh_secret", headers=UPGRADE).text


def test_what_is_known_is_taken(client: FlaskClient) -> None:
    for url in ("/api/v1/predictions?limit=1&class=DDoS&attack=true", "/api/v1/models/?model_type=threat_detector"):
        assert client.get(url).status_code == 200
    answer = client.get(f"{SOCKET}?class=DDoS&class=Bot&sample=0.5", headers=UPGRADE)
    assert "Sec-WebSocket-Key" in answer.text, "all that is missing then"


def test_files_of_the_page_may_be_asked_for_with_anything(client: FlaskClient) -> None:
    for url in ("/?from=mail", "/docs?x=1", "/dashboard/icon.svg?v=2"):
        assert client.get(url).status_code == 200


def test_who_may_not_ask_learns_nothing_of_parameters(client: FlaskClient) -> None:
    assert client.get("/api/v1/predictions?x=1", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 401
