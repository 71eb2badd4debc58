"""What is looked at before any handler runs: Host, Origin, token, role, rate, size and number of bodies."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app, g, request

from api.errors import Refusal
from api.security.bodies import BodyLimit
from api.security.hosts import Names
from api.security.identity import BadToken, Caller, anonymous_key, identify
from api.security.marks import READING, Demands, demands_of
from api.security.rates import Rates
from api.services import services
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.wording import quoted

_KEY = "netheal-guard"
_FORM_FIELD_BYTES = 4 * 2**20
"""Werkzeug's own bound for the fields of a form is 500 kB, less than a profile may have."""
_FORM_PARTS = 32
_OTHER_SITES = ("cross-site", "same-site")


@dataclass(frozen=True)
class Guard:
    """What the guard of one app knows."""

    names: Names
    rates: Rates
    bodies: BodyLimit
    uploads: BodyLimit


def register_guard(app: Flask, settings: Settings) -> None:
    """Guard every request of the app."""
    limits = BodyLimit.of_bodies(settings), BodyLimit.of_uploads(settings)
    app.extensions[_KEY] = Guard(Names.of(settings), Rates(settings), *limits)
    app.before_request(_check)
    app.teardown_request(_release_body)


def actor() -> str:
    """Who makes the present request, for the record of what they did: the token's name, or `local`."""
    return caller().name


def caller() -> Caller:
    """Who makes the present request."""
    found = known_caller()
    if found is None:
        raise Refusal(401, "unauthorized", "send a token: Authorization: Bearer nh_…")
    return found


def known_caller() -> Caller | None:
    """The same, None where they did not say."""
    return cast("Caller | None", g.get("caller"))


def _check() -> None:
    guard: Guard = current_app.extensions[_KEY]
    demands = demands_of(current_app.view_functions.get(request.endpoint or ""))
    _limit_body(demands)
    _check_host(guard.names)
    # Before anything is counted, or a page elsewhere could use up what the people on this machine may do.
    _check_origin(guard.names, demands)
    if request.method == "OPTIONS":
        return
    g.caller = _identified(guard.rates, demands)
    key = g.caller.rate_key if g.caller else anonymous_key(request)
    if demands.counted:
        _count(guard.rates, key, demands.upload)
    _check_role(demands)
    # Nobody reads a body that comes with what anybody may ask.
    if request.content_length and not demands.public:
        _hold_body(guard, key, demands, request.content_length)


def _hold_body(guard: Guard, key: str, demands: Demands, size: int) -> None:
    """Until the answer: nothing is held of one that is refused."""
    with ExitStack() as held:
        held.enter_context(guard.bodies.held(key, size))
        if demands.upload:
            held.enter_context(guard.uploads.held(key, size))
        g.held_body = held.pop_all()


def _release_body(_: BaseException | None) -> None:
    if "held_body" in g:
        g.pop("held_body").close()


def _identified(rates: Rates, demands: Demands) -> Caller | None:
    try:
        return identify(request, services().settings, services().pool)
    except BadToken:
        # Apart from what good tokens do from the same address.
        _count(rates, f"bad token {anonymous_key(request)}")
        raise
    except ServiceUnavailable:
        if demands.public:  # what anybody may ask is answered without Postgres, health first of all
            return None
        raise


def _limit_body(demands: Demands) -> None:
    request.max_content_length = demands.body_bytes
    request.max_form_memory_size = min(_FORM_FIELD_BYTES, demands.body_bytes)
    request.max_form_parts = _FORM_PARTS
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        # Werkzeug cuts such a body at the bound, and what was cut off would be lost without a word.
        raise Refusal(411, "length_required", "say how long the body is: send it with a Content-Length")
    if (request.content_length or 0) > demands.body_bytes:
        raise Refusal(
            413,
            "too_large",
            f"the body is larger than the {demands.body_bytes} bytes that this takes",
            {"most_bytes": demands.body_bytes},
        )


def _check_host(names: Names) -> None:
    host = request.headers.get("Host", "")
    if not names.answers_to(host, int(request.environ.get("SERVER_PORT") or 0), request.scheme):
        raise Refusal(
            421, "wrong_host", f"the API does not answer to the host name {quoted(host)}: add it to NETHEAL_API_HOSTS"
        )


def _check_origin(names: Names, demands: Demands) -> None:
    origin = request.headers.get("Origin")
    if origin is not None:
        if not names.may_use(origin, request.headers.get("Host", "")):
            raise Refusal(403, "wrong_origin", f"pages of {origin} may not use the API: add it to NETHEAL_API_ORIGINS")
    elif request.headers.get("Sec-Fetch-Site", "").lower() in _OTHER_SITES and not (demands.public and _is_visit()):
        raise Refusal(403, "wrong_origin", "a page of another site may neither read nor change anything here")


def _is_visit() -> bool:
    """Whether a person followed a link, so that the browser shows the answer instead of the page with the link."""
    wanted = {name: request.headers.get(f"Sec-Fetch-{name}", "").lower() for name in ("Mode", "Dest")}
    return request.method in READING and wanted == {"Mode": "navigate", "Dest": "document"}


def _check_role(demands: Demands) -> None:
    role = demands.role_for(request.method)
    if role is not None and not caller().may(role):
        raise Refusal(403, "forbidden", f"this takes the role {role}, the token {caller().name} has {caller().role}")


def _count(rates: Rates, key: str, upload: bool = False) -> None:
    wait_s = rates.wait_s(key, upload)
    if wait_s:
        message = f"too many {'uploads or requests' if upload else 'requests'}: try again in {wait_s} s"
        raise Refusal(429, "too_many_requests", message, {"retry_after_s": wait_s}, {"Retry-After": str(wait_s)})
