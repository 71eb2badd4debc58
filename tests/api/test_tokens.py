"""Tokens open what their role says, until they expire or are revoked; roles of every route are stated."""

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.security.requirements import requirements_of
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.tokens import ROLES, create_token

URL = "/api/v1/tokens"
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def made(client: FlaskClient, role: str, **order: Any) -> dict[str, Any]:
    answer = client.post(URL, json={"name": f"the-{role}", "role": role, **order})
    assert answer.status_code == 201, answer.get_json()
    return dict(answer.get_json() or {})


@pytest.fixture
def guarded(api_settings: Settings) -> FlaskClient:
    """The same API where tokens are asked for."""
    return create_app(api_settings.replaced(api_tokens_required=True)).test_client()


def test_a_token_is_shown_once_and_stored_as_a_digest(client: FlaskClient, database: Connection) -> None:
    token = made(client, "viewer")
    assert token["token"].startswith("nh_") and len(token["token"]) > 40
    assert "no-store" in client.get(URL).headers["Cache-Control"]
    assert token["token"] not in client.get(URL).text
    with database, database.cursor() as cursor:
        cursor.execute("select tokens::text from tokens")
        assert token["token"] not in str(cursor.fetchall())
    assert client.get(URL).get_json() == {"tokens": [{k: v for k, v in token.items() if k != "token"}]}
    assert (token["created_by"], token["usable"], token["expires_at"]) == ("local", True, None)


def test_each_role_may_do_what_is_below_it_and_nothing_above(client: FlaskClient, guarded: FlaskClient) -> None:
    tokens = {role: made(client, role)["token"] for role in ROLES}
    calls: dict[str, Callable[[dict[str, str]], TestResponse]] = {
        "viewer": lambda h: guarded.get("/api/v1/predictions/stats", headers=h),
        "analyst": lambda h: guarded.post("/api/v1/traffic", data=b"x", headers=h),
        "operator": lambda h: guarded.delete("/api/v1/models/999999", headers=h),
        "admin": lambda h: guarded.get(URL, headers=h),
    }
    for rank, role in enumerate(ROLES):
        for needed, call in calls.items():
            status = call(bearer(tokens[role])).status_code
            assert (status != 403) == (rank >= ROLES.index(needed)), (role, needed, status)
            assert status != 401


def test_what_a_token_did_carries_its_name(client: FlaskClient, guarded: FlaskClient) -> None:
    admin = made(client, "admin")["token"]
    answer = guarded.post(URL, json={"name": "second", "role": "viewer"}, headers=bearer(admin))
    assert (answer.status_code, answer.get_json()["created_by"]) == (201, "the-admin")


def test_a_revoked_token_opens_nothing_more(client: FlaskClient, guarded: FlaskClient) -> None:
    token = made(client, "admin")
    assert guarded.get(URL, headers=bearer(token["token"])).status_code == 200
    first = client.delete(f"{URL}/{token['id']}").get_json()
    assert guarded.get(URL, headers=bearer(token["token"])).status_code == 401
    assert client.get(URL, headers=bearer(token["token"])).status_code == 401
    assert first["usable"] is False
    assert client.delete(f"{URL}/{token['id']}").get_json() == first
    assert client.delete(f"{URL}/999").status_code == 404


def test_an_expired_token_opens_nothing(client: FlaskClient, guarded: FlaskClient, database: Connection) -> None:
    token = made(client, "admin", expires_days=1)
    assert token["expires_at"] > token["created_at"]
    assert guarded.get(URL, headers=bearer(token["token"])).status_code == 200
    with database, database.cursor() as cursor:
        cursor.execute("update tokens set expires_at = now()")
    assert guarded.get(URL, headers=bearer(token["token"])).status_code == 401
    assert client.get(URL).get_json()["tokens"][0]["usable"] is False


@pytest.mark.parametrize("header", ["Bearer nh_wrong", "Bearer", "Bearer ", "Basic bG9jYWw6", "", "nh_x"])
def test_a_token_that_is_sent_must_be_good_even_on_loopback(client: FlaskClient, header: str) -> None:
    answer = client.get("/api/v1/predictions/stats", headers={"Authorization": header})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_tokens_role_counts_on_loopback(client: FlaskClient) -> None:
    assert client.get(URL, headers=bearer(made(client, "viewer")["token"])).status_code == 403


def test_loopback_goes_without_only_while_the_setting_and_the_bind_say_so(
    client: FlaskClient, guarded: FlaskClient, api_settings: Settings
) -> None:
    url = "/api/v1/predictions/stats"
    assert client.get(url).status_code == 200
    assert guarded.get(url).status_code == 401
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        open_to_others = create_app(api_settings.replaced(api_host=host)).test_client()
        assert open_to_others.get(url).status_code == 401


def test_nobody_is_believed_to_be_on_loopback_by_what_they_say(client: FlaskClient) -> None:
    said = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    assert client.get("/api/v1/predictions/stats", headers=said, environ_base=ELSEWHERE).status_code == 401


@pytest.mark.parametrize(
    "order",
    [
        {"name": "x", "role": "root"},
        {"name": "local", "role": "viewer"},
        {"name": "", "role": "viewer"},
        {"name": "a\nb", "role": "viewer"},
        {"name": "a", "role": "viewer", "expires_days": 0},
        {"name": "a", "role": "viewer", "expires_days": 10**9},
        {"role": "viewer"},
        {"name": "a", "role": "viewer", "sha256": "00"},
    ],
)
def test_a_wrong_order_is_refused(client: FlaskClient, order: dict[str, Any]) -> None:
    answer = client.post(URL, json=order)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "invalid")
    assert client.get(URL).get_json() == {"tokens": []}


def test_a_name_is_used_once(client: FlaskClient, database: Connection) -> None:
    create_token(database, "the-viewer", "admin", "test", None)
    assert client.post(URL, json={"name": "the-viewer", "role": "viewer"}).status_code == 409


def test_every_route_that_changes_something_says_who_may(app: APIFlask) -> None:
    changing = {"POST", "PUT", "PATCH", "DELETE"}
    silent = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if changing & (rule.methods or set()) and requirements_of(app.view_functions[rule.endpoint]).role is None
    ]
    assert silent == []


def test_only_what_tells_nothing_is_public(app: APIFlask) -> None:
    public = {r.rule for r in app.url_map.iter_rules() if requirements_of(app.view_functions[r.endpoint]).public}
    about_data = {rule for rule in public if rule.startswith("/api/")}
    assert about_data == {"/api/v1/openapi.json"} | {f"/api/v1/health{part}" for part in ("", "/live", "/ready")}


def test_a_body_without_end_is_refused(client: FlaskClient) -> None:
    answer = client.post(URL, data=b"[" * 100_000, content_type="application/json")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_request")


def test_a_text_that_cannot_be_stored_is_refused(client: FlaskClient) -> None:
    answer = client.post("/api/v1/models/1/activate", data=rb'{"why": "\ud800"}', content_type="application/json")
    assert answer.status_code == 422
