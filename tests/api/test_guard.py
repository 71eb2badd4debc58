"""A page of another site can neither post to somebody's netheal nor read it; every answer tells browsers so."""

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.security.allowed_hosts import AllowedHosts
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.tokens import create_token

STATS = "/api/v1/predictions/stats"
TOKENS = "/api/v1/tokens"
SPEC = "/api/v1/openapi.json"
ORDER = {"name": "x", "role": "viewer"}


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost:81", "127.0.0.1.evil.example", "", "a@localhost", "192.0.2.1"]
)
def test_another_name_for_loopback_is_refused(client: FlaskClient, host: str) -> None:
    answer = client.get(STATS, headers={"Host": host})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (421, "wrong_host")
    assert f'the host name "{host}": add it' in answer.get_json()["error"]["message"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:80"])
def test_loopbacks_own_names_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get(STATS, headers={"Host": host}).status_code == 200


def test_names_of_the_settings_are_answered_on_any_port_unless_one_is_given() -> None:
    names = AllowedHosts("0.0.0.0", frozenset({"netheal.example", "other.example:8443"}), frozenset())
    assert names.answers_to("netheal.example", 8000) and names.answers_to("netheal.example:9", 8000)
    assert names.answers_to("other.example:8443", 8000) and not names.answers_to("other.example", 8000)
    assert names.answers_to("192.0.2.1:8000", 8000), "bound to every address, it is called by any of them"
    assert not names.answers_to("192.0.2.1:8001", 8000) and not names.answers_to("evil.example:8000", 8000)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "file://", "http://localhost.evil"]
)
@pytest.mark.parametrize("path", [STATS, TOKENS, "/health", "/docs", "/metrics", "/nowhere"])
def test_a_page_of_another_origin_reads_nothing(client: FlaskClient, path: str, origin: str) -> None:
    answer = client.get(path, headers={"Origin": origin})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "wrong_origin")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site"])
def test_what_another_page_embeds_is_refused_and_does_not_use_up_the_rate(api_settings: Settings, site: str) -> None:
    client = create_app(api_settings.replaced(api_requests_per_minute=3)).test_client()
    embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    for path in (STATS, "/health", "/", "/metrics", "/nowhere"):
        answer = client.get(path, headers=embedded)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "wrong_origin")
    assert [client.get(STATS).status_code for _ in range(3)] == [200] * 3


def test_a_link_on_another_page_opens_the_dashboard_and_no_data(api_settings: Settings) -> None:
    client = create_app(api_settings.replaced(api_requests_per_minute=2)).test_client()
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get(STATS, headers=link).status_code == 403
    assert [client.get(SPEC, headers=link).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/", headers=link | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert client.get(SPEC, headers={"Sec-Fetch-Site": "none"}).status_code == 200, "counted apart"


def test_programs_and_the_page_on_this_machine_are_counted_apart(api_settings: Settings) -> None:
    client = create_app(api_settings.replaced(api_requests_per_minute=1)).test_client()
    assert [client.get(STATS).status_code for _ in range(2)] == [200, 429]
    page = {"Sec-Fetch-Site": "same-origin"}
    assert [client.get(STATS, headers=page).status_code for _ in range(2)] == [200, 429]


def test_a_page_of_another_origin_changes_nothing(client: FlaskClient) -> None:
    assert client.post(TOKENS, json=ORDER, headers={"Origin": "http://evil.example"}).status_code == 403
    for site in ("cross-site", "same-site"):
        assert client.post(TOKENS, json=ORDER, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert client.get(TOKENS).get_json() == {"tokens": []}
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post(TOKENS, json=ORDER, headers=own).status_code == 201


def test_a_page_that_the_settings_name_may_use_it_with_a_token(api_settings: Settings, database: Connection) -> None:
    page = "https://soc.example"
    _, token = create_token(database, "soc", "admin", "test", None)
    client = create_app(api_settings.replaced(api_origins=[page + "/"])).test_client()
    preflight = client.options(TOKENS, headers={"Origin": page, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 200 and preflight.headers["Access-Control-Allow-Origin"] == page
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    from_page = {"Origin": page, "Sec-Fetch-Site": "cross-site"}
    assert client.post(TOKENS, json=ORDER, headers=from_page).status_code == 401
    answer = client.post(TOKENS, json=ORDER, headers={**from_page, "Authorization": f"Bearer {token}"})
    assert answer.status_code == 201 and answer.headers["Access-Control-Allow-Origin"] == page
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert client.get(STATS, headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize("path", [STATS, "/docs", "/docs/init.js", "/nowhere", "/health", "/api/v1/openapi.json"])
def test_every_answer_carries_the_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    if path.startswith("/api"):
        assert headers["Cache-Control"] == "no-store"


def test_errors_of_the_guard_carry_the_headers_too(client: FlaskClient) -> None:
    answer = client.get(STATS, headers={"Host": "evil.example"})
    assert "Content-Security-Policy" in answer.headers
