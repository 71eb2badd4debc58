"""`/ws/realtime`: every scored row as it comes out of the stream.

The client says what it wants in the URL, all of it optional: `only=attacks`, `class=` (may be repeated), `min_score=`
and `min_confidence=` (0 to 1), `sample=` (above 0, up to 1), `detail=full` (models, flow and policy version, too). What
is wrong there, who may not, and one socket too many are answered with an error of the API, before the upgrade. Where
tokens are asked for, `POST /api/v1/ws/ticket` gives a `ticket=` for the URL; what is no browser may send its token in a
header. Who is let in by the setting api_anonymous_role needs neither.
"""

import base64
import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Flask, g, request
from flask.typing import ResponseReturnValue
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from wsproto.connection import ConnectionState
from wsproto.utilities import RemoteProtocolError

from api.errors import Refusal, error_body
from api.live.hub import Client
from api.live.messages import close_frame, connection_frame, ping_frame
from api.live.service import LiveService, live_service
from api.live.subscription import REPEATABLE, SINGLE, read_subscription
from api.live.websocket_connection import WebSocketConnection
from api.query_parameters import accepts_query
from api.security import public, rate_limit_exempt
from api.security.guard import count_request, known_caller
from api.security.identity import Caller
from netheal.errors import ServiceUnavailable

PING_EVERY_S = 30.0
_TOKENS_EVERY_S = 5.0
"""How soon a socket is closed whose token was revoked."""
_POLL_INTERVAL_S = 1.0
"""How soon an end of the process, or of the connection, is seen."""
_PACE_S = 0.1
"""Between two looks at what waits for a client: what comes meanwhile goes with the next write."""
_TAIL_S = 4.0
_GOODBYE_S = 1.0
_NONCE_BYTES = 16
_GOING_AWAY, _POLICY, _TRY_LATER = 1001, 1008, 1013
_ENVIRON_SOCKETS = ("werkzeug.socket", "gunicorn.socket")
_SOCK_OPTIONS: dict[str, Any] = {
    "max_message_size": 4096,
    "ping_interval": 20,
    "thread_class": partial(threading.Thread, daemon=True),
}

realtime = APIBlueprint("realtime", __name__, enable_openapi=False)
_sock = Sock()


def register_socket(app: Flask) -> None:
    """Have the app answer at `/ws/realtime`."""
    app.config["SOCK_SERVER_OPTIONS"] = _SOCK_OPTIONS
    app.register_blueprint(realtime)


@realtime.before_request
def _admit() -> None:
    """All that can be refused is refused here, while the answer can be one of HTTP."""
    service = live_service()
    g.subscription = read_subscription(request.args)
    g.watcher = _watcher(service)
    # Here, as who holds a ticket is known here: behind a proxy, others could use up what they may do.
    count_request(g.watcher)
    if g.watcher is None and "Authorization" in request.headers:
        # The guard itself refuses a token that opens nothing; this one could not be looked up.
        raise ServiceUnavailable("Postgres does not answer: try again in some seconds")
    if g.watcher is None:
        raise Refusal(
            401,
            "unauthorized",
            "no token, and no ticket that is known, unused and not expired: POST /api/v1/ws/ticket gives one",
        )
    _check_room(service, g.watcher)
    _check_key(request.headers.get("Sec-WebSocket-Key", ""))
    # Each compressed connection would hold a window of its own, and frames could not be shared.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
    name = next((name for name in _ENVIRON_SOCKETS if name in request.environ), None)
    if name is not None:
        g.connection = request.environ[name] = WebSocketConnection(request.environ[name], service.stall_s)


def _watcher(service: LiveService) -> Caller | None:
    """Who asks: of callers who sent no token, the holder of the ticket in the URL, if there is one there."""
    found = known_caller()
    if found is None or (found.is_anonymous and "ticket" in request.args):
        return _holder_of_ticket(service)
    return found


def _check_room(service: LiveService, watcher: Caller) -> None:
    if not service.hub.is_full(watcher.is_anonymous):
        return
    limits = service.hub.limits
    if service.hub.is_full():
        raise Refusal(503, "too_many_sockets", f"{limits.sockets} sockets are open: close some, or come later")
    told = f"{limits.anonymous_sockets} sockets without a token are open: send a token, or come later"
    raise Refusal(503, "too_many_sockets", told)


def _holder_of_ticket(service: LiveService) -> Caller | None:
    """Whose ticket is in the URL; a ticket is void as soon as the token is that it was made with."""
    holder = service.tickets.redeem(request.args.get("ticket", ""))
    if holder is not None:
        service.token_check.require(holder)
    return holder


def _check_key(key: str) -> None:
    """As RFC 6455, 4.2.1 has it; what parses the rest of the handshake does not look."""
    try:
        nonce = base64.b64decode(key, validate=True)
    except ValueError:
        nonce = b""
    if len(nonce) != _NONCE_BYTES:
        raise Refusal(400, "bad_request", "this is no WebSocket handshake: Sec-WebSocket-Key is no 16 bytes in Base64")


@realtime.errorhandler(RemoteProtocolError)
@realtime.errorhandler(UnicodeDecodeError)
def _no_handshake(error: Exception) -> ResponseReturnValue:
    return error_body("bad_request", f"this is no WebSocket handshake: {error}"), 400


@realtime.errorhandler(OSError)
def _client_disconnected(_: OSError) -> ResponseReturnValue:
    """The client went in the middle of the handshake: nobody reads this."""
    return error_body("bad_request", "the client went"), 400


@_sock.route("/ws/realtime", bp=realtime)  # type: ignore[untyped-decorator]
@public
@rate_limit_exempt
@accepts_query(*SINGLE, "ticket", repeatable=REPEATABLE)
def watch(ws: Server) -> None:
    """Serve one client until it goes, is dropped, or the process ends."""
    service, connection, subscription = live_service(), g.connection, g.subscription
    client = service.hub.add(subscription, g.watcher.is_anonymous)
    if client is None:
        _say_goodbye(ws, connection, _TRY_LATER, "too many sockets are open")
        connection.cut()
        return
    try:
        service.tail.ensure(lambda: service.ending(), _TAIL_S)
        _serve(ws, connection, client, service)
        if service.ending():
            _say_goodbye(ws, connection, _GOING_AWAY, "the API is going away")
        elif ws.connected:
            _say_goodbye(ws, connection, _POLICY, "the token is revoked or has expired")
    except (OSError, ConnectionClosed):
        pass
    finally:
        dropped = None if service.ending() else _why_dropped(ws, connection)
        service.hub.remove(client, dropped)
        if dropped == "chatty":
            _say_goodbye(ws, connection, _POLICY, "clients have nothing to say here")
        connection.cut()
        ws.thread.join(_GOODBYE_S)


def _serve(ws: Server, connection: WebSocketConnection, client: Client, service: LiveService) -> None:
    """Until the client goes, the process ends, or the client's token opens nothing any more."""
    # Nobody reads what clients say; simple-websocket keeps it for whoever does.
    ws.input_buffer = _DiscardingBuffer()
    connection.send(connection_frame(datetime.now(UTC)))
    ping_due_s = time.monotonic() + PING_EVERY_S
    # Not at once: what is known of tokens may be a few seconds old, and this one may be new.
    tokens_due_s = time.monotonic() + _TOKENS_EVERY_S
    while ws.connected and not service.ending():
        client.wait(_POLL_INTERVAL_S)
        now_s = time.monotonic()
        if now_s >= tokens_due_s:
            if not service.token_check.is_still_valid(g.watcher):
                return
            tokens_due_s = now_s + _TOKENS_EVERY_S
        frames = client.collect(now_s)
        if now_s >= ping_due_s:
            ping_due_s += PING_EVERY_S
            frames.append(ping_frame(datetime.now(UTC)))
        connection.send_frames(frames)
        time.sleep(_PACE_S)


def _say_goodbye(ws: Server, connection: WebSocketConnection, code: int, reason: str) -> None:
    """Close, and give the client a moment to agree."""
    try:
        if ws.connected:
            ws.close(code, reason)
        else:
            connection.send(close_frame(code, reason))
    except (OSError, ConnectionClosed):
        return
    ws.thread.join(_GOODBYE_S)


def _why_dropped(ws: Server, connection: WebSocketConnection) -> str | None:
    if connection.stalled:
        return "stalled"
    if connection.flooding:
        return "chatty"
    # simple-websocket ended it itself, having waited for a pong; a client that goes leaves another state.
    waited = not ws.pong_received and ws.ws.state is ConnectionState.LOCAL_CLOSING
    return "silent" if waited else None


class _DiscardingBuffer(list[Any]):
    """What is put here is gone."""

    def append(self, item: object) -> None:
        """Forget it."""
