"""Who calls: the holder of a token, or a person on this machine."""

from dataclasses import dataclass

from flask import Request

from api.errors import Refusal
from api.security.forwarded import is_forwarded
from netheal.loopback import is_loopback
from netheal.settings import Settings
from netheal.store.pool import Pool
from netheal.store.tokens import ROLES, Role, usable_token

LOCAL = "local"
ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Caller:
    """Who calls; `rate_key` is what their requests are counted under, `token_id` is None where they need no token."""

    name: str
    role: Role
    rate_key: str
    token_id: int | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether they are let in by the setting api_anonymous_role alone."""
        return self.name == ANONYMOUS and self.token_id is None

    def may(self, role: Role) -> bool:
        """Whether their role is this one, or above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


class BadToken(Refusal):
    """A token was sent that opens nothing (401)."""

    def __init__(self) -> None:
        message = "this token is not known, is revoked or has expired: ask an admin for another"
        super().__init__(401, "unauthorized", message)


def sent_token(request: Request) -> str | None:
    """The text of the token that came, None for none; raises BadToken where it cannot be one."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise BadToken
    return text.strip()


def identify(request: Request, settings: Settings, pool: Pool, wait_s: float) -> Caller | None:
    """The caller, None where they do not say; raises BadToken, and ServiceUnavailable without Postgres.

    `wait_s`: how long to wait for a connection of the pool.

    Who sends a token is taken at that, also on loopback. Without one, a peer on loopback is a person on this machine,
    unless a proxy passed the request on. What forwarding headers claim about addresses is never believed. Anybody
    else without one has the role of the setting api_anonymous_role, if it names one.
    """
    text = sent_token(request)
    if text is not None:
        return _holder(text, pool, wait_s)
    if not settings.api.asks_for_tokens and is_loopback(request.remote_addr or "") and not is_forwarded(request):
        return Caller(LOCAL, "admin", f"{LOCAL} {_program(request)}")
    if settings.api.anonymous_role:
        return Caller(ANONYMOUS, settings.api.anonymous_role, anonymous_key(request))
    return None


def anonymous_key(request: Request) -> str:
    """What the requests of callers who do not say who they are are counted under."""
    return f"{'proxy' if is_forwarded(request) else 'address'} {request.remote_addr}"


def _program(request: Request) -> str:
    """Programs, our own page, and visits from other pages are counted apart: none of them can lock another out."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        return "program"
    return "page" if site.lower() in ("same-origin", "none") else "visit"


def _holder(text: str, pool: Pool, wait_s: float) -> Caller:
    with pool.connection(wait_s) as connection:
        token = usable_token(connection, text)
    if token is None:
        raise BadToken
    return Caller(token.name, token.role, f"token {token.id}", token.id)
