"""`netheal tokens …`: who may use the API."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from netheal.cli.var_option import VarDir, settings_of

if TYPE_CHECKING:
    from netheal.api_client import ApiClient

tokens_app = typer.Typer(no_args_is_help=True, help="Access tokens of the API.")


class Role(StrEnum):
    """Each may do all that those before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    OPERATOR = "operator"
    ADMIN = "admin"


def _client(var: VarDir) -> "ApiClient":
    from netheal.api_client import ApiClient

    return ApiClient(settings_of(var))


@tokens_app.command("create")
def create_command(
    name: Annotated[str, typer.Argument(help="Who will hold it, as histories will name them.")],
    role: Annotated[Role, typer.Option("--role", help="What its holder may do.")],
    expires_days: Annotated[int | None, typer.Option("--expires-days", min=1, help="Days it is valid.")] = None,
    var: VarDir = None,
) -> None:
    """Make a token. It is written on stdout alone, this once: keep it."""
    order: dict[str, Any] = {"name": name, "role": role.value}
    if expires_days is not None:
        order["expires_days"] = expires_days
    made = _client(var).post("/tokens", order)
    until = f", valid until {made['expires_at']}" if made["expires_at"] else ""
    Console(stderr=True).print(f"token {made['id']} for {name}, role {role.value}{until}; it is not shown again:")
    sys.stdout.write(made["token"] + "\n")


@tokens_app.command("list")
def list_command(var: VarDir = None) -> None:
    """Name every token there is or was."""
    table = Table("id", "name", "role", "state", "made", "by", "until")
    for token in _client(var).get("/tokens")["tokens"]:
        state = "usable" if token["usable"] else "revoked" if token["revoked_at"] else "expired"
        cells = (token["role"], state, token["created_at"], token["created_by"], token["expires_at"] or "")
        table.add_row(str(token["id"]), token["name"], *cells)
    Console().print(table)


@tokens_app.command("revoke")
def revoke_command(
    token_id: Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it.")], var: VarDir = None
) -> None:
    """Revoke a token, from the next request on."""
    revoked = _client(var).delete(f"/tokens/{token_id}")
    Console().print(f"token {token_id} of {revoked['name']} is revoked", highlight=False)
