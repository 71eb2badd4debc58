"""Access tokens of the API: only their SHA-256 is stored, so that a copy of the database opens nothing."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import psycopg2.errors

from netheal.errors import Conflict, NotFound
from netheal.store.database import Connection, Cursor, transaction

Role = Literal["viewer", "analyst", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do all that those before it may."""

PREFIX = "nh_"
_SECRET_BYTES = 32
_FIELDS = "id, name, role, created_at, created_by, expires_at, revoked_at"
_USABLE = "revoked_at is null and (expires_at is null or expires_at > now())"
_ADMIN_EXISTS = f"select exists (select 1 from tokens where role = 'admin' and {_USABLE})"


@dataclass(frozen=True)
class Token:
    """What is known of a token; the token itself is known to its holder only."""

    id: int
    name: str
    role: Role
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def usable(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > datetime.now(UTC))


def create_token(
    connection: Connection, name: str, role: Role, created_by: str, expires_at: datetime | None
) -> tuple[Token, str]:
    """A new token, and its text, which nobody can read again; raises Conflict where the name is taken."""
    text = _new_text()
    try:
        with transaction(connection) as cursor:
            return _insert(cursor, text, name, role, created_by, expires_at), text
    except psycopg2.errors.UniqueViolation as error:
        raise Conflict(f"there is, or was, a token {name!r}: take another name") from error


def create_first_admin(connection: Connection, name: str, created_by: str, keep: Callable[[str], None]) -> Token | None:
    """A token for an admin, handed to `keep`, unless an admin has one; None then. Two callers at once make one.

    It is committed after `keep` has returned: what a crash leaves behind is a text that opens nothing, and no admin
    whose token nobody knows. Whatever `keep` raises, there is no token then.
    """
    with transaction(connection) as cursor:
        cursor.execute("lock table tokens in share row exclusive mode")
        cursor.execute(_ADMIN_EXISTS)
        if cursor.fetchone() == (True,):
            return None
        text = _new_text()
        token = _insert(cursor, text, name, "admin", created_by, None)
        keep(text)
        return token


def list_tokens(connection: Connection) -> list[Token]:
    """Every token there is or was, oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(f"select {_FIELDS} from tokens order by id")
        return [Token(*row) for row in cursor.fetchall()]


def revoke_token(connection: Connection, token_id: int) -> Token:
    """Revoke it, from the next request on; once revoked it stays as it was. Raises NotFound."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"update tokens set revoked_at = coalesce(revoked_at, now()) where id = %s returning {_FIELDS}", (token_id,)
        )
        row = cursor.fetchone()
    if row is None:
        raise NotFound(f"there is no token {token_id}: `netheal tokens list` names those there are")
    return Token(*row)


def usable_token(connection: Connection, text: str) -> Token | None:
    """The token with this text, if it opens anything now."""
    with transaction(connection) as cursor:
        cursor.execute(f"select {_FIELDS} from tokens where sha256 = %s and {_USABLE}", (digest(text),))
        row = cursor.fetchone()
    return None if row is None else Token(*row)


def usable_token_ids(connection: Connection) -> frozenset[int]:
    """The tokens that open anything now."""
    with transaction(connection) as cursor:
        cursor.execute(f"select id from tokens where {_USABLE}")
        return frozenset(token_id for (token_id,) in cursor.fetchall())


def admin_exists(connection: Connection) -> bool:
    """Whether anybody could manage an API that asks for tokens."""
    with transaction(connection) as cursor:
        cursor.execute(_ADMIN_EXISTS)
        return cursor.fetchone() == (True,)


def usable_digests(connection: Connection) -> frozenset[bytes]:
    """The digests of the tokens that open anything now."""
    with transaction(connection) as cursor:
        cursor.execute(f"select sha256 from tokens where {_USABLE}")
        return frozenset(bytes(sha256) for (sha256,) in cursor.fetchall())


def digest(text: str) -> bytes:
    """What is stored of a token with this text."""
    return hashlib.sha256(text.encode()).digest()


def _new_text() -> str:
    return PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def _insert(cursor: Cursor, text: str, name: str, role: Role, created_by: str, expires_at: datetime | None) -> Token:
    cursor.execute(
        "insert into tokens (name, role, sha256, created_by, expires_at) values (%s, %s, %s, %s, %s)"
        f" returning {_FIELDS}",
        (name, role, digest(text), created_by, expires_at),
    )
    return Token(*(cursor.fetchone() or ()))
