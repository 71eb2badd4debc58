"""What comes out of the stream reaches whoever watches, through a real broker and a real server process."""

import json
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
import requests
from confluent_kafka import Producer
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from netheal.embedded.kafka import EmbeddedKafka
from tests.api.live.rows import row, schema
from tests.deadlines import DEADLINE_S, REQUEST_S
from tests.stack.harness import Job, World, eventually

API = (sys.executable, "-m", "api.server")
Document = dict[str, Any]
Serve = Callable[..., "Live"]


class Live:
    """A running API whose output topic the test writes itself."""

    def __init__(self, world: World, **env: str) -> None:
        world.make_topics()
        self.world = world
        self.job: Job = world.start(API, NETHEAL_API_PORT="0", **env)
        self.job.wait_event("api.started")
        self.url: str = self.job.events("api.started")[0]["url"]
        self._producer = self.producer()
        self._sent = 0

    def producer(self, **options: str) -> Producer:
        """To the broker."""
        return Producer({"bootstrap.servers": self.world.settings.kafka.bootstrap_servers, "acks": "all", **options})

    def compress(self, codec: str) -> None:
        """What is produced from now on."""
        self._producer = self.producer(**{"compression.type": codec, "linger.ms": "100"})

    def produce(self, count: int, **how: Any) -> list[int]:
        """Rows straight into the output topic; their ids."""
        ids = list(range(self._sent, self._sent + count))
        for event_id in ids:
            value = row(event_id=event_id, **{"class_name": "DDoS" if event_id % 10 == 0 else "BENIGN", **how})
            self._producer.produce(self.world.settings.stream.output_topic, value, partition=event_id % 2)
            self._producer.poll(0)
        assert self._producer.flush(30) == 0
        self._sent += count
        return ids

    def watch(self, query: str = "", **how: Any) -> ClientConnection:
        """A socket of another library's client; its first message is read."""
        ws = connect(
            self.url.replace("http", "ws") + "/ws/realtime" + query,
            legacy=True,
            **{"open_timeout": REQUEST_S, "close_timeout": 2, **how},
        )
        first = json.loads(ws.recv(20))
        schema("connection").validate(first)
        return ws

    def worker(self) -> psutil.Process:
        """gunicorn's worker."""
        return psutil.Process(self.job.process.pid).children()[0]


@pytest.fixture
def serve(make_world: Callable[..., World]) -> Serve:
    def start(settings: Document | None = None, **env: str) -> Live:
        return Live(make_world(**(settings or {})), **env)

    return start


def read(ws: ClientConnection, count: int, deadline_s: float = DEADLINE_S) -> list[Document]:
    """The next messages that are no ping."""
    found: list[Document] = []
    limit = time.monotonic() + deadline_s
    while len(found) < count:
        document = json.loads(ws.recv(max(0.01, limit - time.monotonic())))
        if document["type"] != "ping":
            found.append(document)
    return found


def ids(documents: list[Document]) -> list[int]:
    return [document["traffic_data_id"] for document in documents if document["type"] == "prediction"]


def test_a_row_reaches_every_client_within_two_seconds_as_each_wants_it(serve: Serve) -> None:
    live = serve()
    with live.watch() as plain, live.watch("?only=attacks&detail=full") as attacks, live.watch("?class=DDoS") as ddos:
        began = time.monotonic()
        sent = live.produce(20)
        seen = read(plain, 20)
        assert time.monotonic() - began < 2
        assert sorted(ids(seen)) == sent
        for document in seen:
            schema("prediction").validate(document)
        full = read(attacks, 2)
        for document in full:
            schema("prediction_full").validate(document)
        assert sorted(ids(full)) == sorted(ids(read(ddos, 2))) == [0, 10]
    assert requests.get(f"{live.url}/ws/realtime", timeout=REQUEST_S).status_code == 400


def test_a_client_that_comes_later_begins_at_the_end(serve: Serve) -> None:
    live = serve()
    live.produce(50)
    with live.watch() as ws:
        sent = live.produce(5)
        assert sorted(ids(read(ws, 5))) == sent


def test_the_topic_may_be_compressed(serve: Serve) -> None:
    live = serve()
    with live.watch() as ws:
        for codec in ("gzip", "lz4", "zstd"):
            live.compress(codec)
            sent = live.produce(20)
            assert sorted(ids(read(ws, 20))) == sent, codec


def test_what_a_client_misses_is_told_and_adds_up_and_is_no_attack(serve: Serve) -> None:
    live = serve(NETHEAL_API_SOCKET_ROWS_PER_S="50")
    with live.watch() as ws:
        live.produce(3000, class_name="BENIGN")
        marked = live.produce(20, class_name="DDoS")
        seen: list[Document] = []
        skipped = 0
        while len(seen) + skipped < 3020:
            document = read(ws, 1)[0]
            if document["type"] == "lag":
                schema("lag").validate(document)
                skipped += document["skipped"]
            else:
                seen.append(document)
        assert len(seen) + skipped == 3020 and skipped > 1000
        assert set(marked) <= set(ids(seen))
        assert len(set(ids(seen))) == len(seen)


def stalled(live: Live) -> socket.socket:
    """A client that shakes hands and never reads again."""
    host, port = live.url.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect((host, int(port)))
    client.sendall(
        f"GET /ws/realtime HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in client.recv(20)
    return client


def test_clients_that_do_not_read_are_dropped_and_others_do_not_notice(serve: Serve) -> None:
    live = serve(NETHEAL_API_SOCKET_STALL_S="1")
    with live.watch() as before:
        live.produce(1)
        read(before, 1)
    threads = live.worker().num_threads()
    with ThreadPoolExecutor(10) as pool:
        lazy = list(pool.map(lambda _: stalled(live), range(10)))
    with live.watch("?only=attacks") as ws:
        assert live.worker().num_threads() > threads + 10
        limit = time.monotonic() + 60
        while dropped(live) < 10:
            assert time.monotonic() < limit
            sent = [n for n in live.produce(600) if n % 10 == 0]
            assert sorted(ids(read(ws, len(sent)))) == sent, "the others do not notice"
    # gunicorn keeps a thread of each for later requests; what read from the clients is gone.
    eventually(lambda: live.worker().num_threads() <= threads + 12, "half of their threads are gone")
    for client in lazy:
        client.close()


def dropped(live: Live) -> int:
    """How many clients were dropped for not reading."""
    for line in requests.get(f"{live.url}/metrics", timeout=REQUEST_S).text.splitlines():
        if line.startswith('netheal_live_dropped_total{reason="stalled"}'):
            return int(float(line.split()[-1]))
    return 0


def test_the_broker_goes_away_and_comes_back_and_nothing_is_lost(
    services: Any, make_world: Callable[..., World], var_folder: Any
) -> None:
    world = make_world()
    settings = world.settings
    broker = EmbeddedKafka(var_folder / "kafka", settings.paths.tools_dir, 0, var_folder / "log", heap_mb=384)
    broker.start()
    try:
        other = settings.replaced(kafka_bootstrap_servers=broker.bootstrap_servers)
        live = Live(World(other, world.jobs))
        with live.watch() as ws:
            sent = live.produce(10)
            assert sorted(ids(read(ws, 10))) == sent
            broker.stop()
            away = read(ws, 1)[0]
            schema("status").validate(away)
            assert away["broker"] == "away"
            with live.watch() as late:
                assert read(late, 1)[0]["broker"] == "away"
            broker.start()
            # Into the topic before the tail is back, or after: both must come.
            sent = live.produce(150)
            back, *rows = read(ws, 151)
            assert back["broker"] == "back"
            assert sorted(ids(rows)) == sent
    finally:
        broker.stop()


def test_sigterm_says_that_the_api_is_going_away(serve: Serve) -> None:
    live = serve()
    sockets = [live.watch() for _ in range(5)]
    began = time.monotonic()
    live.job.terminate()
    for ws in sockets:
        with pytest.raises(ConnectionClosed) as closed:
            read(ws, 1)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
    assert live.job.wait_exit() == 0
    assert time.monotonic() - began < 8


def test_a_page_of_another_site_is_refused(serve: Serve) -> None:
    live = serve()
    with pytest.raises(InvalidStatus) as refused:
        live.watch(origin="http://evil.example")
    assert refused.value.response.status_code == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    rebound = requests.get(f"{live.url}/ws/realtime", headers={**upgrade, "Host": "evil.example"}, timeout=REQUEST_S)
    assert rebound.status_code == 421
    keyless = requests.get(f"{live.url}/ws/realtime", headers=upgrade, timeout=REQUEST_S)
    assert keyless.status_code == 400 and keyless.json()["error"]["code"] == "bad_request"
    with live.watch(origin=live.url):
        pass


def test_what_is_wrong_in_the_url_is_refused_before_the_upgrade(serve: Serve) -> None:
    live = serve(NETHEAL_API_SOCKETS="1")
    with pytest.raises(InvalidStatus) as refused:
        live.watch("?sample=0")
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body or b"")["error"]["details"] == {"sample": [ANY_TEXT]}
    with live.watch():
        with pytest.raises(InvalidStatus) as refused:
            live.watch()
        assert refused.value.response.status_code == 503
        assert requests.get(f"{live.url}/health/live", timeout=REQUEST_S).status_code == 200
    eventually(lambda: can_watch(live), "a place is free again")


def can_watch(live: Live) -> bool:
    try:
        live.watch().close()
    except InvalidStatus:
        return False
    return True


ANY_TEXT = type("AnyText", (), {"__eq__": lambda _, other: isinstance(other, str), "__hash__": None})()


def test_where_tokens_are_asked_for_a_ticket_opens_one_socket(serve: Serve) -> None:
    first = serve()
    made = requests.post(f"{first.url}/api/v1/tokens", json={"name": "root", "role": "admin"}, timeout=REQUEST_S)
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    eve = requests.post(
        f"{first.url}/api/v1/tokens", json={"name": "eve", "role": "viewer"}, headers=bearer, timeout=REQUEST_S
    ).json()
    viewer = eve["token"]
    first.job.terminate()
    first.job.wait_exit()
    live = Live(first.world, NETHEAL_API_TOKENS_REQUIRED="true")
    for query, status in (("", 401), ("?ticket=", 401), ("?ticket=x", 401), (f"?token={viewer}", 400)):
        with pytest.raises(InvalidStatus) as refused:
            live.watch(query)
        assert refused.value.response.status_code == status
    assert requests.post(f"{live.url}/api/v1/ws/ticket", timeout=REQUEST_S).status_code == 401
    header = {"Authorization": f"Bearer {viewer}"}
    ticket = requests.post(f"{live.url}/api/v1/ws/ticket", headers=header, timeout=REQUEST_S).json()
    assert ticket["expires_in_s"] == 30
    with live.watch(f"?ticket={ticket['ticket']}") as ws:
        sent = live.produce(3)
        assert sorted(ids(read(ws, 3))) == sent
        with pytest.raises(InvalidStatus):
            live.watch(f"?ticket={ticket['ticket']}")
    with live.watch(additional_headers=header):
        pass
    kept = requests.post(f"{live.url}/api/v1/ws/ticket", headers=header, timeout=REQUEST_S).json()["ticket"]
    assert requests.delete(f"{live.url}/api/v1/tokens/{eve['id']}", headers=bearer, timeout=REQUEST_S).ok
    with pytest.raises(InvalidStatus) as void:
        live.watch(f"?ticket={kept}")
    assert void.value.response.status_code == 401, "a ticket outlives its token"


def test_a_socket_ends_with_its_token(serve: Serve) -> None:
    live = serve()
    made = [
        requests.post(f"{live.url}/api/v1/tokens", json={"name": name, "role": "viewer"}, timeout=REQUEST_S).json()
        for name in ("eve", "anna")
    ]
    eve, anna = [{"Authorization": f"Bearer {token['token']}"} for token in made]
    with live.watch(additional_headers=eve) as first, live.watch(additional_headers=anna) as other:
        assert requests.delete(f"{live.url}/api/v1/tokens/{made[0]['id']}", timeout=REQUEST_S).ok
        with pytest.raises(ConnectionClosed) as closed:
            read(first, 1)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        assert "revoked" in closed.value.rcvd.reason
        sent = live.produce(2)
        assert sorted(ids(read(other, 2))) == sent


def test_who_talks_too_much_is_closed(serve: Serve) -> None:
    live = serve()
    with live.watch() as ws:
        for _ in range(10):
            ws.send("hello")
        sent = live.produce(2)
        assert sorted(ids(read(ws, 2))) == sent, "a few words are ignored"
        ws.send("x" * 10_000)
        with pytest.raises(ConnectionClosed) as closed:
            read(ws, 1)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
    with live.watch() as ws, pytest.raises(ConnectionClosed):
        for _ in range(1000):
            ws.send("x" * 4000)
            time.sleep(0.001)
        read(ws, 1)
