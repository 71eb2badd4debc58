"""Commands speak to the API with the settings' token, and show its refusals in one sentence."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from netheal.api_client import ApiClient, Refused
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings


class Api(ThreadingHTTPServer):
    """Answers everything with one answer, and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _do

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(api: Api, settings: Settings) -> ApiClient:
    named = {"api_url": f"http://127.0.0.1:{api.server_port}/", "api_token": SecretStr("nh_secret")}
    return ApiClient(settings.replaced(**named))


def test_each_call_carries_the_token_and_gives_json(api: Api, client: ApiClient, tmp_path: Path) -> None:
    api.answer = (200, b'{"a": [1]}')
    bundle = tmp_path / "bundle.joblib"
    bundle.write_bytes(b"bytes of it")
    assert client.get("/models/", model_type="x") == client.post("/models/1/activate", {"why": "y"}) == {"a": [1]}
    client.delete("/models/1", delete_file="true")
    client.upload("/models/upload", bundle, {"model_type": "threat_detector"})
    assert [(method, path) for method, path, _, _ in api.asked] == [
        ("GET", "/api/v1/models/?model_type=x"),
        ("POST", "/api/v1/models/1/activate"),
        ("DELETE", "/api/v1/models/1?delete_file=true"),
        ("POST", "/api/v1/models/upload"),
    ]
    assert {headers["Authorization"] for _, _, headers, _ in api.asked} == {"Bearer nh_secret"}
    assert json.loads(api.asked[1][3]) == {"why": "y"}
    assert b'filename="bundle.joblib"' in api.asked[3][3] and b"bytes of it" in api.asked[3][3]


def test_a_list_in_pages_is_followed_to_its_end(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {None: ([1, 2], "a b&c"), "a b&c": ([3], "d"), "d": ([], None)}
    asked: list[dict[str, Any]] = []

    def get(path: str, **query: Any) -> Any:
        asked.append(query)
        entries, following = pages[query.get("cursor")]
        return {"models": list(entries), "total": 3, "next_cursor": following}

    monkeypatch.setattr(client, "get", get)
    assert client.get_all("/models/", "models", deleted="true") == {"models": [1, 2, 3], "total": 3}
    assert [query["deleted"] for query in asked] == ["true"] * 3


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (409, {"error": {"code": "conflict", "message": "it is active", "details": {}}}, "it is active"),
        (
            422,
            {"error": {"code": "invalid", "message": "wrong", "details": {"json": {"name": ["too long", "odd"]}}}},
            "wrong: json: name: too long, odd",
        ),
        (401, {"error": {"code": "unauthorized", "message": "unknown", "details": {}}}, "NETHEAL_API_TOKEN"),
        (302, {}, "is no API of netheal: it answered 302"),
        (200, None, None),
        (500, "not json", "is no API of netheal: it answered 500"),
    ],
)
def test_a_refusal_is_one_sentence(api: Api, client: ApiClient, status: int, body: Any, words: str | None) -> None:
    api.answer = (status, b"" if body is None else json.dumps(body).encode())
    if words is None:
        assert client.get("/x") is None
        return
    with pytest.raises(Refused) as refused:
        client.get("/x")
    assert words in str(refused.value) and "\n" not in str(refused.value) and "nh_secret" not in str(refused.value)
    assert refused.value.status == status


def test_nobody_there_is_one_sentence(settings: Settings) -> None:
    with pytest.raises(ServiceUnavailable, match="no API answers at http://127.0.0.1:1 .*set NETHEAL_API_URL"):
        ApiClient(settings.replaced(api_port=1)).get("/x")


def test_the_api_of_this_machine_is_found_where_it_says_it_is(settings: Settings) -> None:
    assert ApiClient(settings).url == "http://127.0.0.1:8000"
    assert ApiClient(settings.replaced(api_host="::")).url == "http://[::1]:8000"
    settings.paths.var_dir.mkdir(parents=True)
    note = settings.paths.var_dir / "api.json"
    note.write_text(json.dumps({"url": "http://127.0.0.1:25000", "pid": os.getpid()}))
    assert ApiClient(settings).url == "http://127.0.0.1:25000"
    assert ApiClient(settings.replaced(api_url="https://netheal.example")).url == "https://netheal.example"
    note.write_text(json.dumps({"url": "http://127.0.0.1:25000", "pid": 2**22 + 1}))  # of an API that was killed
    assert ApiClient(settings).url == "http://127.0.0.1:8000"
