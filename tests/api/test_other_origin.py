"""A front end on another origin: NETHEAL_API_ORIGINS is all that it takes, for requests, preflights and the socket."""

import json

import pytest
import requests
from apiflask import APIFlask
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from api.security.headers import _CORS
from netheal.store.database import Connection
from netheal.store.tokens import create_token
from tests.api.served import Serve, Served

PAGE = "https://soc.example:8443"
STATS, TRAFFIC, TICKET = "/api/v1/predictions/stats", "/api/v1/traffic", "/api/v1/ws/ticket"


@pytest.fixture
def token(database: Connection) -> str:
    return create_token(database, "soc", "admin", "test", None)[1]


@pytest.fixture
def api(serve: Serve, token: str) -> Served:
    return serve(NETHEAL_API_ORIGINS=json.dumps([PAGE])).wait_ready()


def ask(api: Served, method: str, path: str, origin: str = PAGE, **headers: str) -> requests.Response:
    """As a browser asks on behalf of a page elsewhere."""
    sent = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", **headers}
    return requests.request(method, api.address["url"] + path, headers=sent, timeout=20)


def test_a_preflight_is_answered_without_a_token(api: Served) -> None:
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for path in (TRAFFIC, TICKET, STATS, "/api/v1/models/upload"):
        answer = ask(api, "OPTIONS", path, **wanted)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE), path
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"authorization", "content-type"} <= set(allowed)
        assert "POST" in answer.headers["Access-Control-Allow-Methods"].split(", ")
        assert "Origin" in answer.headers["Vary"]
        assert ask(api, "OPTIONS", path, "https://evil.example", **wanted).status_code == 403


def test_the_token_in_the_header_opens_it_and_every_answer_can_be_read(api: Served, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    for headers, status in (({}, 401), ({"Authorization": "Bearer nh_guess"}, 401), (bearer, 200)):
        answer = ask(api, "GET", STATS, **headers)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
    assert "Access-Control-Allow-Credentials" not in answer.headers
    refused = ask(api, "GET", STATS, "https://evil.example", **bearer)
    assert refused.status_code == 403 and "Access-Control-Allow-Origin" not in refused.headers


def test_the_socket_opens_with_a_ticket_for_that_page_alone(api: Served, token: str) -> None:
    def ticket() -> str:
        return str(ask(api, "POST", TICKET, Authorization=f"Bearer {token}").json()["ticket"])

    url = api.address["url"].replace("http", "ws") + "/ws/realtime"
    with connect(f"{url}?ticket={ticket()}", origin=Origin(PAGE)) as watching:
        assert json.loads(watching.recv(timeout=60))["type"] == "connection"
    for origin, query, status in (
        (PAGE, "", "401"),
        ("https://evil.example", f"?ticket={ticket()}", "403"),
        ("https://soc.example", f"?ticket={ticket()}", "403"),
    ):
        with pytest.raises(InvalidStatus, match=status), connect(url + query, origin=Origin(origin)):
            pass


def test_who_lets_readers_in_lets_them_in_from_that_page_too(serve: Serve, token: str) -> None:
    assert token
    api = serve(NETHEAL_API_ORIGINS=json.dumps([PAGE]), NETHEAL_API_ANONYMOUS_ROLE="viewer").wait_ready()
    answer = ask(api, "GET", STATS)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert ask(api, "GET", STATS, "https://evil.example").status_code == 403
    assert ask(api, "POST", TRAFFIC).status_code == 401


def test_every_method_of_the_api_is_one_that_pages_elsewhere_may_use(app: APIFlask) -> None:
    used = {method for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    assert used - {"HEAD", "OPTIONS"} == set(_CORS["Access-Control-Allow-Methods"].split(", "))
