"""Whom a proxy on the same machine lets through is nobody until a token says who; its address is not theirs."""

import json
from contextlib import AbstractContextManager, ExitStack

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from api.app import create_app
from api.probe import Probe, Unavailable
from api.security import token_digests
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.pool import LENT_AT_MOST, WAIT_S
from netheal.store.tokens import create_token
from tests.api.served import Serve, answer

STATS, TOKENS, TICKET = "/api/v1/predictions/stats", "/api/v1/tokens", "/api/v1/ws/ticket"
SPEC = "/api/v1/openapi.json"
SOCKET = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
SOCKET |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
FORWARDED = {
    "Forwarded": "for=192.0.2.60;proto=http",
    "X-Forwarded-For": "127.0.0.1",
    "x-forwarded-host": "localhost",
    "X-Forwarded-Proto": "",
    "X-Forwarded": "1",
    "X-Real-IP": "127.0.0.1",
    "Via": "1.1 proxy",
    "True-Client-IP": "192.0.2.7",
    "CF-Connecting-IP": "192.0.2.7",
    "X-Envoy-External-Address": "192.0.2.7",
}


@pytest.mark.parametrize("header", FORWARDED)
def test_a_request_that_was_forwarded_needs_a_token(client: FlaskClient, header: str) -> None:
    headers = {header: FORWARDED[header]}
    assert client.get(STATS).status_code == 200
    for path in (STATS, TOKENS, "/metrics", "/api/v1/models/"):
        assert client.get(path, headers=headers).status_code == 401, path
    assert client.post(TOKENS, json={"name": "x", "role": "admin"}, headers=headers).status_code == 401
    assert client.post(TICKET, headers=headers).status_code == 401
    assert client.get("/ws/realtime", headers=headers | SOCKET).status_code == 401
    assert "reasons" in client.get("/health").get_json()
    assert "reasons" not in client.get("/health", headers=headers).get_json()
    assert client.get(TOKENS).get_json() == {"tokens": []}


def test_a_token_opens_it_behind_a_proxy(client: FlaskClient, database: Connection) -> None:
    _, text = create_token(database, "anna", "viewer", "test", None)
    headers = {"X-Forwarded-For": "192.0.2.7", "Authorization": f"Bearer {text}"}
    assert client.get(STATS, headers=headers).status_code == 200
    assert client.get(TOKENS, headers=headers).status_code == 403
    assert "reasons" in client.get("/health", headers=headers).get_json()


def test_what_a_proxy_speaks_unless_told_otherwise_is_forwarded_too(serve: Serve) -> None:
    """nginx: HTTP/1.0, with the upstream's own address for a Host and no header of its own."""
    api = serve().wait_ready()
    for version, status in (("1.0", 401), ("1.1", 200)):
        with api.connect() as connection:
            head = api.head(STATS, "Connection: close", method="GET").replace(b"HTTP/1.1", f"HTTP/{version}".encode())
            connection.sendall(head)
            assert int(answer(connection).split()[1]) == status


@pytest.mark.parametrize(
    ("setting", "names", "asks"),
    [
        ("api_hosts", ["netheal.example"], True),
        ("api_hosts", ["localhost", "netheal.example:8443"], True),
        ("api_hosts", ["localhost.example"], True),
        ("api_hosts", ["127.0.0.1.example"], True),
        ("api_hosts", [""], True),
        ("api_hosts", ["localhost", "LOCALHOST:81", "127.0.0.9", "[::1]:8000", "::1"], False),
        ("api_origins", ["https://netheal.example"], True),
        ("api_origins", ["http://localhost:3000", "http://127.0.0.1/", "http://[::1]:3000"], False),
    ],
)
def test_names_that_are_not_loopbacks_ask_for_tokens(
    api_settings: Settings, setting: str, names: list[str], asks: bool
) -> None:
    settings = api_settings.replaced(**{setting: names})
    assert settings.api.asks_for_tokens is asks
    assert create_app(settings).test_client().get(STATS).status_code == (401 if asks else 200)


def test_the_api_of_another_name_is_refused_at_the_start_without_an_admins_token(serve: Serve) -> None:
    api = serve(NETHEAL_API_HOSTS=json.dumps(["netheal.example"]))
    assert api.process.wait(40) == 2
    said = api.output().splitlines()[-1]
    assert "netheal tokens create NAME --role admin" in said and "NETHEAL_API_HOSTS" in said


def test_whom_a_proxy_lets_through_cannot_use_up_what_this_machine_may_do(api_settings: Settings) -> None:
    client = create_app(api_settings.replaced(api_requests_per_minute=2)).test_client()
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert [client.get(SPEC, headers=forwarded).status_code for _ in range(3)] == [200, 200, 429]
    assert [client.get(SPEC).status_code for _ in range(3)] == [200, 200, 429]
    for path in ("/health/live", "/health", "/api/v1/health"):
        assert client.get(path).status_code == client.get(path, headers=forwarded).status_code == 200, "in any case"


def test_bad_tokens_are_counted_and_lock_out_no_good_one(api_settings: Settings, database: Connection) -> None:
    client = create_app(api_settings.replaced(api_requests_per_minute=2)).test_client()
    _, text = create_token(database, "anna", "viewer", "test", None)
    guesses = [client.get(STATS, headers={"Authorization": f"Bearer nh_{n}"}) for n in range(4)]
    assert [guess.status_code for guess in guesses] == [401, 401, 429, 429]
    assert guesses[-1].headers["Retry-After"]
    assert client.get(STATS, headers={"Authorization": f"Bearer {text}"}).status_code == 200
    assert client.get(STATS).status_code == 200


def test_a_flood_of_bad_tokens_costs_no_look_into_postgres_for_each(
    api_settings: Settings, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_digests, "_FRESH_S", 1e9)
    app = create_app(api_settings.replaced(api_requests_per_minute=2))
    client, lent = app.test_client(), lends(app, monkeypatch)
    _, text = create_token(database, "anna", "viewer", "test", None)
    for n in range(20):
        client.get(STATS, headers={"Authorization": f"Bearer nh_{n}"})
    assert len(lent) == 2 + 1, "those that are counted, and once what tokens there are"
    assert client.get(STATS, headers={"Authorization": f"Bearer {text}"}).status_code == 200


def lends(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A list that grows with each connection that is lent to the app, by how long it may be waited for."""
    pool, seen = app.extensions["netheal"].pool, []
    lend = pool.connection

    def connection(wait_s: float = WAIT_S) -> AbstractContextManager[Connection]:
        seen.append(wait_s)
        return lend(wait_s)

    monkeypatch.setattr(pool, "connection", connection)
    return seen


def test_whether_it_lives_is_answered_without_asking_who_asks(
    app: APIFlask, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, lent = app.test_client(), lends(app, monkeypatch)
    _, text = create_token(database, "anna", "viewer", "test", None)
    headers = {"Authorization": f"Bearer {text}"}
    for path in ("/health/live", "/", "/docs"):
        assert client.get(path, headers=headers).status_code == 200
    assert lent == []
    assert "reasons" in client.get("/health", headers=headers).get_json()
    assert lent == [pytest.approx(0, abs=1.0)], "health waits shortly for who asks"


def test_whom_nobody_can_look_up_now_is_told_the_state_alone(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    client, pool = app.test_client(), app.extensions["netheal"].pool
    headers = {"Authorization": "Bearer nh_x"}
    with ExitStack() as everything:
        for _ in range(LENT_AT_MOST):
            everything.enter_context(pool.connection())
        answer = client.get("/health", headers=headers)
    assert (answer.status_code, set(answer.get_json())) == (200, {"live", "ready", "status"})
    lent = lends(app, monkeypatch)
    monkeypatch.setattr(Probe, "ask", lambda _: Unavailable("Postgres does not answer"))
    answer = client.get("/health", headers=headers)
    assert (answer.status_code, set(answer.get_json()), lent) == (200, {"live", "ready", "status"}, [])


def test_a_stranger_behind_the_proxy_locks_nobody_out_of_the_page(api_settings: Settings, database: Connection) -> None:
    client = create_app(api_settings.replaced(api_requests_per_minute=2)).test_client()
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    _, text = create_token(database, "anna", "viewer", "test", None)
    assert [client.get(STATS, headers=forwarded).status_code for _ in range(3)] == [401, 401, 429]
    for path in ("/", "/dashboard/index.html", "/docs", "/docs/init.js"):
        assert client.get(path, headers=forwarded).status_code == 200, path
    ticket = client.post(TICKET, headers=forwarded | {"Authorization": f"Bearer {text}"}).get_json()["ticket"]
    broken = forwarded | SOCKET | {"Sec-WebSocket-Key": "short"}
    assert client.get(f"/ws/realtime?ticket={ticket}", headers=broken).status_code == 400, "past the count"
    assert client.get("/ws/realtime", headers=broken).status_code == 429


def test_what_a_token_may_not_do_is_counted(api_settings: Settings, database: Connection) -> None:
    client = create_app(api_settings.replaced(api_requests_per_minute=2)).test_client()
    _, text = create_token(database, "anna", "viewer", "test", None)
    headers = {"Authorization": f"Bearer {text}"}
    assert [client.get(TOKENS, headers=headers).status_code for _ in range(3)] == [403, 403, 429]


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_a_ticket_is_void_when_its_token_is(client: FlaskClient, database: Connection, end: str) -> None:
    _, text = create_token(database, "anna", "viewer", "test", None)
    ticket = client.post(TICKET, headers={"Authorization": f"Bearer {text}"}).get_json()["ticket"]
    with database, database.cursor() as cursor:
        cursor.execute(f"update tokens set {end} = now()")
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    answer = client.get(f"/ws/realtime?ticket={ticket}", headers=SOCKET, environ_base=elsewhere)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "unauthorized")
