"""A body has a length and does not stall, and no more of them are received at once than leaves threads to others."""

import select
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from api.app import create_app
from api.errors import Refusal
from api.security.concurrent_bodies import BodyLimit
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.tokens import create_token
from tests.api.served import Serve, Served, answer

JSON = "Content-Type: application/json"
FEW = {"NETHEAL_API_THREADS": "4"}
PATIENT = {"NETHEAL_API_CLIENT_TIMEOUT_S": "60"}


def test_a_body_of_unknown_length_is_refused(serve: Serve) -> None:
    api = serve().wait_ready()
    with api.connect() as connection:
        chunk = b"%x\r\n%b\r\n" % (2**18, b" " * 2**18)
        connection.sendall(api.head("/api/v1/tokens", "Content-Type: application/json", "Transfer-Encoding: chunked"))
        connection.sendall(chunk * 4 + b"1\r\nx\r\n")
        reply = answer(connection)
    assert reply.startswith(b"HTTP/1.1 411 ") and b"length_required" in reply


def test_a_body_that_stops_coming_is_answered_with_408(serve: Serve) -> None:
    api = serve(NETHEAL_API_CLIENT_TIMEOUT_S="0.5").wait_ready()
    with api.connect() as connection:
        connection.sendall(api.head("/api/v1/traffic", "Content-Type: application/json", "Content-Length: 100") + b"[{")
        reply = answer(connection)
    assert reply.startswith(b"HTTP/1.1 408 ") and b"body_too_slow" in reply


def test_bodies_hold_a_share_of_the_threads_and_health_answers(serve: Serve) -> None:
    api = serve(**FEW, **PATIENT).wait_ready()
    head = api.head("/api/v1/traffic", JSON, "Content-Length: 100")
    slow = [api.connect() for _ in range(5)]
    for connection in slow:
        connection.sendall(head + b"[")
    limit = time.monotonic() + 60
    while len(refused := select.select(slow, [], [], 0.1)[0]) < 4:
        assert time.monotonic() < limit, len(refused)
    assert all(connection.recv(12) == b"HTTP/1.1 429" for connection in refused)
    for path in ("/health/live", "/health", "/api/v1/predictions/stats"):
        with api.connect() as connection:
            connection.sendall(api.head(path, "Connection: close", method="GET"))
            assert answer(connection).startswith(b"HTTP/1.1 200 "), path
    for connection in slow:
        connection.close()
    wait_until(lambda: b" 429 " not in posted(api))


def posted(api: Served) -> bytes:
    with api.connect() as connection:
        connection.sendall(api.head("/api/v1/tokens", JSON, "Content-Length: 2", "Connection: close") + b"{}")
        return answer(connection)


def wait_until(holds: Callable[[], bool], deadline_s: float = 30.0) -> None:
    limit = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_one_caller_leaves_places_to_others(api_settings: Settings) -> None:
    bodies = BodyLimit.of_bodies(api_settings.replaced(api_bodies=4))
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(bodies.held("anna", 1))
        with pytest.raises(Refusal, match=r"^2 requests with a body of yours .* NETHEAL_API_BODIES") as refused:
            held.enter_context(bodies.held("anna", 1))
        assert (refused.value.status, refused.value.code) == (429, "too_many_requests")
        assert refused.value.headers == {"Retry-After": "5"}
        for other in ("bert", "cleo"):
            held.enter_context(bodies.held(other, 1))
        with pytest.raises(Refusal, match=r"^4 requests with a body are on their way") as refused:
            held.enter_context(bodies.held("dora", 1))
        assert (refused.value.status, refused.value.code) == (429, "too_many_requests")
    with bodies.held("anna", 1), bodies.held("anna", 1):
        pass


def test_uploads_of_one_caller_leave_places_and_bytes_to_others(api_settings: Settings) -> None:
    few = api_settings.replaced(api_waiting_uploads=8, api_waiting_upload_bytes=1_000)
    uploads = BodyLimit.of_uploads(few)
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(uploads.held("analyst", 1))
        with pytest.raises(Refusal, match=r"^4 uploads of yours .* NETHEAL_API_WAITING_UPLOADS allows"):
            held.enter_context(uploads.held("analyst", 1))
        held.enter_context(uploads.held("operator", 400))
        with pytest.raises(Refusal, match=r"^your uploads .* half of what NETHEAL_API_WAITING_UPLOAD_BYTES allows"):
            held.enter_context(uploads.held("operator", 200))
        with pytest.raises(Refusal, match=r"^the uploads .* more bytes than NETHEAL_API_WAITING_UPLOAD_BYTES allows"):
            held.enter_context(uploads.held("admin", 700))
        held.enter_context(uploads.held("admin", 500))
    with uploads.held("analyst", 5_000):  # alone it is bounded by its own limit
        pass


@pytest.mark.parametrize(("threads", "most"), [(4, 1), (20, 2), (200, 20)])
def test_bodies_hold_at_most_half_of_the_threads_of_rest(api_settings: Settings, threads: int, most: int) -> None:
    bodies = BodyLimit.of_bodies(api_settings.replaced(api_threads=threads, api_bodies=1_000))
    with ExitStack() as held:
        for number in range(most):
            held.enter_context(bodies.held(f"caller {number}", 1))
        with pytest.raises(Refusal):
            held.enter_context(bodies.held("one more", 1))


def test_a_place_is_given_back_whatever_becomes_of_the_request(api_settings: Settings, database: Connection) -> None:
    one = {"api_bodies": 1, "api_waiting_uploads": 1}
    client = create_app(api_settings.replaced(**one)).test_client()
    _, text = create_token(database, "anna", "viewer", "test", None)
    for _ in range(3):
        assert client.post("/api/v1/tokens", data=b"[", content_type="application/json").status_code == 400
        assert client.post("/api/v1/nothing", data=b"x").status_code == 404
        assert client.post("/api/v1/tokens", data=b"{}", headers={"Authorization": f"Bearer {text}"}).status_code == 403
        assert client.post("/api/v1/traffic", json=[]).status_code in (202, 503)
        assert client.post("/api/v1/models/upload", data={"model_type": "none"}).status_code == 422
    assert client.post("/api/v1/tokens", json={"name": "a", "role": "viewer"}).status_code == 201
