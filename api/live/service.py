"""All of the live tail that an app has, made by `create_app` and started by the first client."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from api.live.broker import Source
from api.live.hub import Hub, Limits
from api.live.tail import Tail
from api.live.tickets import Tickets
from api.live.token_check import TokenCheck
from netheal.settings import Settings
from netheal.store.pool import Pool

_KEY = "netheal-live"


@dataclass
class LiveService:
    """The hub, what fills it, and who may open and keep it. `ending` becomes true when the process is told to go."""

    hub: Hub
    tail: Tail
    tickets: Tickets
    token_check: TokenCheck
    stall_s: float
    ending: Callable[[], bool] = field(default=lambda: False)


def open_live(settings: Settings, pool: Pool) -> LiveService:
    """Of these settings; nothing runs yet."""
    sockets = min(settings.api.sockets, max(1, settings.api.threads - settings.api.rest_threads))
    hub = Hub(Limits(sockets, settings.api.socket_rows_per_s))
    source = Source(settings.kafka.bootstrap_servers, settings.stream.output_topic, settings.kafka.client_options)
    return LiveService(hub, Tail(source, hub), Tickets(), TokenCheck(pool), settings.api.socket_stall_s)


def register_live(app: Flask, settings: Settings, pool: Pool) -> LiveService:
    """Give the app its own."""
    service = app.extensions[_KEY] = open_live(settings, pool)
    return service


def live_service() -> LiveService:
    """That of the app that handles the present request."""
    return live_service_of(current_app)


def live_service_of(app: Flask) -> LiveService:
    """That of an app."""
    return cast(LiveService, app.extensions[_KEY])
