"""How much and how often: bodies and rates have bounds, a caller who meets one is told what to do."""

import io
from collections.abc import Callable

import pytest
from apiflask import APIFlask
from flask import request
from flask.testing import FlaskClient

from api.app import create_app
from api.security import actor, body_limit, requires, upload_rate
from netheal.settings import Settings

STATS = "/api/v1/predictions/stats"


@pytest.fixture
def make_client(api_settings: Settings) -> Callable[..., FlaskClient]:
    """An API with handlers of the test's own beside the real ones."""

    def make(**settings: object) -> FlaskClient:
        app = create_app(api_settings.replaced(**settings))

        @app.post("/small")
        @requires("viewer")
        def small() -> dict[str, int]:
            return {"bytes": len(request.get_data())}

        @app.post("/large")
        @body_limit(3 * 2**20)
        @upload_rate
        @requires("viewer")
        def large() -> dict[str, object]:
            sizes = {name: len(value) for name, value in request.form.items()}
            return {"fields": sizes, "files": {n: len(f.read()) for n, f in request.files.items()}, "actor": actor()}

        return app.test_client()

    return make


def test_a_body_above_the_bound_is_refused_unread(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client()
    assert client.post("/small", data=b"x" * 2**20).get_json() == {"bytes": 2**20}
    answer = client.post("/small", data=b"x" * (2**20 + 1))
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "too_large")
    assert answer.get_json()["error"]["details"] == {"most_bytes": 2**20}


def test_a_route_may_take_more_and_long_fields_of_a_form_with_it(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client()
    form = {"profile": "p" * 900_000, "file": (io.BytesIO(b"f" * 2**20), "bundle.joblib")}
    answer = client.post("/large", data=form)
    assert answer.get_json() == {"fields": {"profile": 900_000}, "files": {"file": 2**20}, "actor": "local"}
    assert client.post("/large", data={"file": (io.BytesIO(b"f" * 3 * 2**20), "f")}).status_code == 413
    parts = {f"f{n}": "x" for n in range(100)}
    assert client.post("/large", data=parts, content_type="multipart/form-data").status_code == 413


def test_too_many_requests_are_told_when_to_come_back(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(api_requests_per_minute=3)
    assert [client.get(STATS).status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = client.get(STATS)
    assert answer.get_json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.get_json()["error"]["details"] == {"retry_after_s": int(answer.headers["Retry-After"])}


def test_uploads_have_a_bound_of_their_own(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(api_uploads_per_minute=2)
    assert [client.post("/large").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get(STATS).status_code == 200


def test_each_token_is_counted_by_itself(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(api_requests_per_minute=4)
    url = "/api/v1/tokens"
    texts = [client.post(url, json={"name": name, "role": "viewer"}).get_json()["token"] for name in "ab"]
    for text in texts:
        headers = {"Authorization": f"Bearer {text}"}
        assert [client.get(STATS, headers=headers).status_code for _ in range(5)] == [200] * 4 + [429]
    assert client.get(STATS).status_code == 200


def test_apps_count_apart(make_client: Callable[..., FlaskClient], app: APIFlask) -> None:
    first = make_client(api_requests_per_minute=1)
    assert [first.get(STATS).status_code for _ in range(2)] == [200, 429]
    assert app.test_client().get(STATS).status_code == 200


@pytest.mark.parametrize("body", ['{"name": ' + "9" * 5_000 + "}", "[" * 100_000])
def test_json_that_no_reader_takes_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post("/api/v1/tokens", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_request")
