"""Who calls: the holder of a token, or a person on this machine."""

from dataclasses import dataclass

from flask import Request

from api.errors import Refusal
from netheal.loopback import is_loopback
from netheal.settings import Settings
from netheal.store.pool import Pool
from netheal.store.tokens import ROLES, Role, usable_token

LOCAL = "local"


@dataclass(frozen=True)
class Caller:
    """Who calls; `rate_key` is what their requests are counted under, `token_id` is None where they need no token."""

    name: str
    role: Role
    rate_key: str
    token_id: int | None = None

    def may(self, role: Role) -> bool:
        """Whether their role is this one, or above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


def identify(request: Request, settings: Settings, pool: Pool) -> Caller | None:
    """The caller, None where they do not say; raises Refusal (401) for a token that opens nothing.

    Who says who they are is taken at that, also on loopback. X-Forwarded-For and its like are looked at nowhere.
    """
    header = request.headers.get("Authorization")
    if header is not None:
        return _holder(header, pool)
    if not settings.asks_for_tokens and is_loopback(request.remote_addr or ""):
        return Caller(LOCAL, "admin", f"address {request.remote_addr}")
    return None


def _holder(header: str, pool: Pool) -> Caller:
    scheme, _, text = header.partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        with pool.connection() as connection:
            token = usable_token(connection, text.strip())
        if token is not None:
            return Caller(token.name, token.role, f"token {token.id}", token.id)
    raise Refusal(401, "unauthorized", "this token is not known, is revoked or has expired: ask an admin for another")
