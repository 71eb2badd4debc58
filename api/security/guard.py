"""What is looked at before any handler runs: Host, Origin, token, role, rate, size and number of bodies."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app, g, request

from api.errors import Refusal
from api.security.allowed_hosts import AllowedHosts
from api.security.concurrent_bodies import BodyLimit
from api.security.identity import BadToken, Caller, anonymous_key, identify, sent_token
from api.security.rate_limits import RateLimits
from api.security.requirements import READING, Requirements, requirements_of
from api.security.token_digests import TokenDigests
from api.services import services
from netheal.errors import ServiceUnavailable
from netheal.settings import Settings
from netheal.store.pool import WAIT_S
from netheal.wording import quoted

_KEY = "netheal-guard"
_FORM_FIELD_BYTES = 4 * 2**20
"""Werkzeug's own bound for the fields of a form is 500 kB, less than a profile may have."""
_FORM_PARTS = 32
_PUBLIC_WAIT_S = 1.0
"""For a connection to Postgres, to know who asks what anybody may ask."""
_OTHER_SITES = ("cross-site", "same-site")


@dataclass(frozen=True)
class Guard:
    """What the guard of one app knows."""

    allowed_hosts: AllowedHosts
    rates: RateLimits
    bodies: BodyLimit
    uploads: BodyLimit
    token_digests: TokenDigests


def register_guard(app: Flask, settings: Settings) -> None:
    """Guard every request of the app."""
    limits = BodyLimit.of_bodies(settings), BodyLimit.of_uploads(settings)
    app.extensions[_KEY] = Guard(AllowedHosts.of(settings), RateLimits(settings), *limits, TokenDigests())
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
    """The same, None where they did not say, or (of what is public) where Postgres cannot tell in a second.

    Of what is public and not counted they are looked up here, not before: raises what `_check` does.
    """
    if "caller" not in g:
        g.caller = _identified(_guard(), _requirements())
    return cast("Caller | None", g.caller)


def count_request(who: Caller | None) -> None:
    """Count the present request as theirs, where the guard did not; raises Refusal (429)."""
    _count(_guard().rates, _rate_key(who))


def _guard() -> Guard:
    return cast(Guard, current_app.extensions[_KEY])


def _requirements() -> Requirements:
    return requirements_of(current_app.view_functions.get(request.endpoint or ""))


def _rate_key(who: Caller | None) -> str:
    return who.rate_key if who else anonymous_key(request)


def _check() -> None:
    guard, requirements = _guard(), _requirements()
    _limit_body(requirements)
    _check_host(guard.allowed_hosts)
    # Before anything is counted, or a page elsewhere could use up what the people on this machine may do.
    _check_origin(guard.allowed_hosts, requirements)
    if request.method == "OPTIONS" or (requirements.public and not requirements.rate_limited):
        return
    key = _rate_key(known_caller())
    if requirements.rate_limited:
        _count(guard.rates, key, requirements.upload)
    _check_role(requirements)
    # Nobody reads a body that comes with what anybody may ask.
    if request.content_length and not requirements.public:
        _hold_body(guard, key, requirements, request.content_length)


def _hold_body(guard: Guard, key: str, requirements: Requirements, size: int) -> None:
    """Until the answer: nothing is held of one that is refused."""
    with ExitStack() as held:
        held.enter_context(guard.bodies.held(key, size))
        if requirements.upload:
            held.enter_context(guard.uploads.held(key, size))
        g.held_body = held.pop_all()


def _release_body(_: BaseException | None) -> None:
    if "held_body" in g:
        g.pop("held_body").close()


def _identified(guard: Guard, requirements: Requirements) -> Caller | None:
    pool, wait_s = services().pool, _PUBLIC_WAIT_S if requirements.public else WAIT_S
    # Apart from what good tokens do from the same address.
    bad = f"bad token {anonymous_key(request)}"
    try:
        text = sent_token(request)
        if text is not None and guard.rates.is_used_up(bad) and not guard.token_digests.may_open(text, pool, wait_s):
            raise BadToken
        return identify(request, services().settings, pool, wait_s)
    except BadToken:
        _count(guard.rates, bad)
        raise
    except ServiceUnavailable:
        if requirements.public:  # what anybody may ask is answered without Postgres, health first of all
            return None
        raise


def _limit_body(requirements: Requirements) -> None:
    request.max_content_length = requirements.body_bytes
    request.max_form_memory_size = min(_FORM_FIELD_BYTES, requirements.body_bytes)
    request.max_form_parts = _FORM_PARTS
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        # Werkzeug cuts such a body at the bound, and what was cut off would be lost without a word.
        raise Refusal(411, "length_required", "say how long the body is: send it with a Content-Length")
    if (request.content_length or 0) > requirements.body_bytes:
        raise Refusal(
            413,
            "too_large",
            f"the body is larger than the {requirements.body_bytes} bytes that this takes",
            {"most_bytes": requirements.body_bytes},
        )


def _check_host(allowed_hosts: AllowedHosts) -> None:
    host = request.headers.get("Host", "")
    if not allowed_hosts.answers_to(host, int(request.environ.get("SERVER_PORT") or 0), request.scheme):
        raise Refusal(
            421, "wrong_host", f"the API does not answer to the host name {quoted(host)}: add it to NETHEAL_API_HOSTS"
        )


def _check_origin(allowed_hosts: AllowedHosts, requirements: Requirements) -> None:
    origin = request.headers.get("Origin")
    if origin is not None:
        if not allowed_hosts.may_use(origin, request.headers.get("Host", "")):
            raise Refusal(403, "wrong_origin", f"pages of {origin} may not use the API: add it to NETHEAL_API_ORIGINS")
    elif request.headers.get("Sec-Fetch-Site", "").lower() in _OTHER_SITES and not (
        requirements.public and _is_visit()
    ):
        raise Refusal(403, "wrong_origin", "a page of another site may neither read nor change anything here")


def _is_visit() -> bool:
    """Whether a person followed a link, so that the browser shows the answer instead of the page with the link."""
    wanted = {name: request.headers.get(f"Sec-Fetch-{name}", "").lower() for name in ("Mode", "Dest")}
    return request.method in READING and wanted == {"Mode": "navigate", "Dest": "document"}


def _check_role(requirements: Requirements) -> None:
    role = requirements.role_for(request.method)
    if role is None:
        return
    who = caller()
    if who.is_anonymous and not (requirements.anonymous and who.may(role)):
        raise Refusal(401, "unauthorized", f"this takes the role {role}: send a token, Authorization: Bearer nh_…")
    if not who.may(role):
        raise Refusal(403, "forbidden", f"this takes the role {role}, the token {who.name} has {who.role}")


def _count(rates: RateLimits, key: str, upload: bool = False) -> None:
    wait_s = rates.wait_s(key, upload)
    if wait_s:
        message = f"too many {'uploads or requests' if upload else 'requests'}: try again in {wait_s} s"
        raise Refusal(429, "too_many_requests", message, {"retry_after_s": wait_s}, {"Retry-After": str(wait_s)})
