"""What the API takes and gives about tokens."""

from typing import Any

from apiflask import Schema
from apiflask.fields import Boolean, Integer, List, Nested, String
from apiflask.validators import NoneOf, OneOf, Range, Regexp

from api.schemas.times import iso_utc
from api.security.identity import ANONYMOUS, LOCAL
from netheal.store.tokens import ROLES, Token

_MOST_DAYS = 3650


class TokenRequest(Schema):
    """A token to make."""

    name = String(
        required=True,
        validate=[
            Regexp(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"),
            NoneOf([LOCAL, ANONYMOUS], error="this name means no token"),
        ],
        metadata={"description": "Who holds it, as histories will name them"},
    )
    role = String(required=True, validate=OneOf(ROLES))
    expires_days = Integer(strict=True, validate=Range(1, _MOST_DAYS), metadata={"description": "None: it stays valid"})


class TokenHolder(Schema):
    """Who a token makes of its sender."""

    name = String()
    role = String()


class TokenFacts(Schema):
    """A token, without its text."""

    id = Integer()
    name = String()
    role = String()
    usable = Boolean()
    created_at = String()
    created_by = String()
    expires_at = String(allow_none=True)
    revoked_at = String(allow_none=True)


class NewToken(TokenFacts):
    """A token, and its text for this one time."""

    token = String(metadata={"description": "Keep it: it is shown this once"})


class Tokens(Schema):
    """Every token there is or was."""

    tokens = List(Nested(TokenFacts))


def token_document(token: Token) -> dict[str, Any]:
    """A token as clients see it."""
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "usable": token.usable,
        "created_at": iso_utc(token.created_at),
        "created_by": token.created_by,
        "expires_at": iso_utc(token.expires_at),
        "revoked_at": iso_utc(token.revoked_at),
    }
