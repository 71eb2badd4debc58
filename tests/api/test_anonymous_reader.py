"""NETHEAL_API_ANONYMOUS_ROLE=viewer: whoever sends no token may read, and nothing else becomes possible by it."""

import json

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.app import create_app
from api.security.requirements import READING, requirements_of
from netheal.errors import SettingsError
from netheal.settings import Settings, load_settings
from netheal.store.database import Connection
from netheal.store.tokens import create_token, revoke_token
from tests.api.served import Serve

STATS, TOKENS, TICKET = "/api/v1/predictions/stats", "/api/v1/tokens", "/api/v1/ws/ticket"
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}
OPEN = {"api_tokens_required": True, "api_anonymous_role": "viewer"}
SOCKET = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
BROKEN = SOCKET | {"Sec-WebSocket-Key": "short"}
"""Refused by the last of all checks (400)."""


@pytest.fixture
def open_app(api_settings: Settings) -> APIFlask:
    return create_app(api_settings.replaced(**OPEN))


@pytest.fixture
def reader(open_app: APIFlask) -> FlaskClient:
    return open_app.test_client()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_only_viewer_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().api.anonymous_role == ""
    for role in ("analyst", "operator", "admin", "Viewer"):
        monkeypatch.setenv("NETHEAL_API_ANONYMOUS_ROLE", role)
        with pytest.raises(SettingsError, match="NETHEAL_API_ANONYMOUS_ROLE"):
            load_settings()


@pytest.mark.parametrize("origin", [ELSEWHERE, {"REMOTE_ADDR": "127.0.0.1"}])
@pytest.mark.parametrize("forwarded", [{}, {"X-Forwarded-For": "127.0.0.1"}])
def test_without_a_token_one_may_read(reader: FlaskClient, origin: dict[str, str], forwarded: dict[str, str]) -> None:
    for path in (STATS, "/metrics", "/api/v1/models/", "/api/v1/contracts", "/api/v1/quarantine"):
        assert reader.get(path, headers=forwarded, environ_base=origin).status_code == 200, path
    assert "reasons" in reader.get("/health", headers=forwarded, environ_base=origin).get_json()


def test_without_the_setting_one_may_not(api_settings: Settings) -> None:
    client = create_app(api_settings.replaced(api_tokens_required=True)).test_client()
    assert client.get(STATS).status_code == client.get("/ws/realtime", headers=BROKEN).status_code == 401


def test_no_route_changes_anything_without_a_token(open_app: APIFlask, reader: FlaskClient) -> None:
    tried = 0
    for rule in open_app.url_map.iter_rules():
        requirements = requirements_of(open_app.view_functions[rule.endpoint])
        path = open_app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, 1))
        for method in (rule.methods or set()) - {"OPTIONS"}:
            if requirements.public:
                continue
            status = reader.open(path, method=method, environ_base=ELSEWHERE).status_code
            may_read = method in READING and requirements.role_for(method) == "viewer" and requirements.anonymous
            assert (status != 401) == may_read, (method, path, status)
            tried += method not in READING
    assert tried > 8


def test_a_bad_token_is_still_one(reader: FlaskClient, database: Connection) -> None:
    token, text = create_token(database, "anna", "viewer", "test", None)
    assert reader.get(STATS, headers=bearer(text)).status_code == 200
    revoke_token(database, token.id)
    for header in (f"Bearer {text}", "Bearer nh_guess", "Bearer ", "Basic YTpi", ""):
        answer = reader.get(STATS, headers={"Authorization": header}, environ_base=ELSEWHERE)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "unauthorized"), header
        assert reader.get("/ws/realtime", headers=BROKEN | {"Authorization": header}).status_code == 401, header


def test_a_token_is_taken_at_its_own_role_and_count(api_settings: Settings, database: Connection) -> None:
    client = create_app(api_settings.replaced(**OPEN, api_requests_per_minute=2)).test_client()
    _, text = create_token(database, "root", "admin", "test", None)
    assert [client.get(STATS, environ_base=ELSEWHERE).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get(TOKENS, headers=bearer(text), environ_base=ELSEWHERE).status_code == 200
    assert client.get(STATS, environ_base={"REMOTE_ADDR": "192.0.2.8"}).status_code == 200, "each address by itself"


def test_what_forwarding_headers_say_gets_nobody_another_count(api_settings: Settings) -> None:
    client = create_app(api_settings.replaced(**OPEN, api_requests_per_minute=2)).test_client()
    sent = [
        client.get(STATS, headers={"X-Forwarded-For": f"192.0.2.{n}"}, environ_base=ELSEWHERE).status_code
        for n in range(3)
    ]
    assert sent == [200, 200, 429]


def test_pages_and_names_of_others_are_refused_as_ever(reader: FlaskClient) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in (STATS, "/metrics", "/ws/realtime"):
            answer = reader.get(path, headers=SOCKET | headers, environ_base=ELSEWHERE)
            assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "wrong_origin"), path
            assert "Access-Control-Allow-Origin" not in answer.headers
    assert reader.get(STATS, headers={"Host": "evil.example"}, environ_base=ELSEWHERE).status_code == 421


def test_what_names_the_caller_takes_a_token(reader: FlaskClient, database: Connection) -> None:
    _, text = create_token(database, "anna", "viewer", "test", None)
    assert reader.post(TICKET, environ_base=ELSEWHERE).status_code == 401
    assert reader.get(f"{TOKENS}/own", environ_base=ELSEWHERE).status_code == 401
    assert reader.get(f"{TOKENS}/own", headers=bearer(text)).get_json() == {"name": "anna", "role": "viewer"}


def test_a_ticket_stands_for_its_token(
    open_app: APIFlask, reader: FlaskClient, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, text = create_token(database, "anna", "viewer", "test", None)
    tickets = [reader.post(TICKET, headers=bearer(text)).get_json()["ticket"] for _ in range(2)]
    hub = open_app.extensions["netheal-live"].hub
    monkeypatch.setattr(hub, "is_full", lambda anonymous=False: anonymous)
    assert reader.get("/ws/realtime", headers=BROKEN).status_code == 503, "the places of readers without a token"
    assert reader.get(f"/ws/realtime?ticket={tickets[0]}", headers=BROKEN).status_code == 400
    assert reader.get(f"/ws/realtime?ticket={tickets[0]}", headers=BROKEN).status_code == 401, "used"
    revoke_token(database, token.id)
    assert reader.get(f"/ws/realtime?ticket={tickets[1]}", headers=BROKEN).status_code == 401, "void"


def test_the_socket_opens_without_a_token_but_for_no_other_page(serve: Serve, database: Connection) -> None:
    create_token(database, "root", "admin", "test", None)
    api = serve(
        NETHEAL_API_HOST="0.0.0.0",
        NETHEAL_API_ANONYMOUS_ROLE="viewer",
        NETHEAL_API_SOCKETS="2",
        NETHEAL_API_THREADS="8",
    ).wait_ready()
    url = f"ws://127.0.0.1:{api.address['port']}/ws/realtime"
    with connect(url, origin=None) as watching:
        assert json.loads(watching.recv(timeout=60))["type"] == "connection"
        with pytest.raises(InvalidStatus, match="503"), connect(url):
            pass  # half of the two
    with pytest.raises(InvalidStatus, match="403"), connect(url, additional_headers={"Origin": "https://evil.example"}):
        pass
    with pytest.raises(InvalidStatus, match="401"), connect(url, additional_headers=bearer("nh_guess")):
        pass
