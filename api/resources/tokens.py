"""`/tokens`: who may use the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apiflask import APIBlueprint

from api.schemas.tokens import NewToken, TokenFacts, TokenHolder, TokenRequest, Tokens, token_document
from api.security import actor, requires
from api.security.guard import caller
from api.services import services
from netheal.store.tokens import create_token, list_tokens, revoke_token

tokens = APIBlueprint("tokens", __name__, tag="tokens")


@tokens.get("/tokens")
@requires("admin")
@tokens.output(Tokens)
def list_all() -> dict[str, Any]:
    """Name every token there is or was; their texts are stored nowhere."""
    with services().pool.connection() as connection:
        return {"tokens": [token_document(token) for token in list_tokens(connection)]}


@tokens.get("/tokens/own")
@requires("viewer", anonymous=False)
@tokens.output(TokenHolder)
def own() -> dict[str, Any]:
    """Say who the caller is: whose token was sent, and what it may do."""
    return {"name": caller().name, "role": caller().role}


@tokens.post("/tokens")
@requires("admin")
@tokens.input(TokenRequest, location="json")
@tokens.output(NewToken, status_code=201)
def create(json_data: dict[str, Any]) -> dict[str, Any]:
    """Make a token; the answer is the only time its text is shown."""
    days = json_data.get("expires_days")
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with services().pool.connection() as connection:
        token, text = create_token(connection, json_data["name"], json_data["role"], actor(), expires_at)
    return {**token_document(token), "token": text}


@tokens.delete("/tokens/<int:token_id>")
@requires("admin")
@tokens.output(TokenFacts)
def revoke(token_id: int) -> dict[str, Any]:
    """Revoke a token, from the next request on."""
    with services().pool.connection() as connection:
        return token_document(revoke_token(connection, token_id))
