"""The thread that serves a socket waits while there is nothing it may send."""

import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

from flask import Flask, g
from simple_websocket import Server

from api.live.hub import Client, Hub, Limits
from api.live.service import LiveService
from api.live.socket import _serve
from api.live.subscription import Subscription
from api.live.websocket_connection import WebSocketConnection
from tests.api.live.rows import message

RUNS_S = 1.0


class Sent:
    """Where frames go."""

    def send(self, data: bytes) -> int:
        return len(data)

    def send_frames(self, frames: Iterable[bytes]) -> None:
        pass


def test_rows_that_may_not_be_sent_yet_keep_no_processor_busy() -> None:
    hub = Hub(Limits(sockets=1, rate_per_s=1))
    added = hub.add(Subscription())
    assert added is not None
    client: Client = added
    hub.publish([message(n, event_id=n) for n in range(100)])
    looks = []
    until_s = time.monotonic() + RUNS_S

    class Watched:
        wait = client.wait

        def collect(self, now_s: float) -> list[bytes]:
            looks.append(now_s)
            return client.collect(now_s)

    room: Any = SimpleNamespace(
        ending=lambda: time.monotonic() > until_s, token_check=SimpleNamespace(is_still_valid=bool)
    )
    with Flask("test").app_context():
        g.watcher = "somebody"
        ws = SimpleNamespace(connected=True, input_buffer=[])
        _serve(cast(Server, ws), cast(WebSocketConnection, Sent()), cast(Client, Watched()), cast(LiveService, room))
    assert 1 <= len(looks) <= 20 * RUNS_S
