"""`netheal models …`: what the registry has, and every change of it, by way of the API; and a check without one."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.api_client import ApiClient, upload_model
from netheal.bundles.intake.validate_file import print_report, validate
from netheal.cli.var_option import VarDir, settings_of
from netheal.contracts import ModelType

models_app = typer.Typer(no_args_is_help=True, help="Model bundles: check, hand in, activate, roll back.")

ModelId = Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it.")]
Bundle = Annotated[Path, typer.Argument(help="A .joblib, .pkl or .h5 file.", exists=True, dir_okay=False)]
Profile = Annotated[Path | None, typer.Option("--profile", help="Its profile JSON.", exists=True, dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="What the API answered, as JSON.")]
Why = Annotated[str, typer.Option("--why", help="Kept in the model's history.")]
TypeOption = Annotated[ModelType, typer.Option("--model-type", help="What the model is for.")]


@models_app.command("list")
def list_command(
    model_type: Annotated[ModelType | None, typer.Option("--model-type", help="Only these.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted ones, too.")] = False,
    as_json: AsJson = False,
    var: VarDir = None,
) -> None:
    """List the models of the registry, newest first."""
    query = {"deleted": str(deleted).lower(), **({"model_type": model_type} if model_type else {})}
    found = _client(var).get_all("/models/", "models", **query)
    if as_json:
        _print_json(found)
        return
    table = Table("id")
    for heading in ("type", "version", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("description")
    for model in found["models"]:
        state = f"[bold green]{model['state']}[/bold green]" if model["is_active"] else model["state"]
        names = model["model_type"], model["model_version"], state
        told = escape("; ".join(filter(None, (model["description"], model["damage"]))))
        table.add_row(str(model["id"]), *names, told)
    Console().print(table)


@models_app.command("show")
def show_command(model_id: ModelId, as_json: AsJson = False, var: VarDir = None) -> None:
    """Show a model: what it takes, what was found when it came, and what happened to it since."""
    client = _client(var)
    model, history = client.get(f"/models/{model_id}"), client.get(f"/models/{model_id}/history")
    if as_json:
        _print_json({**model, "history": history["events"]})
        return
    _print_model(model)
    if model["validation_results"]:
        print_report(f"{model['file_name']} as {model['model_type']}", model["validation_results"])
    for event in history["events"]:
        change = f"{event['from_state'] or 'nothing'} → {event['to_state']}{' (rollback)' if event['rollback'] else ''}"
        Console(highlight=False).print(f"{event['at']}  {escape(event['actor'])}: {change}  {escape(event['why'])}")


@models_app.command("upload")
def upload_command(
    file: Bundle,
    model_type: TypeOption,
    profile: Profile = None,
    card: Annotated[Path | None, typer.Option("--card", help="Its model card, Markdown.", exists=True)] = None,
    description: Annotated[str, typer.Option("--description", help="For those who choose among models.")] = "",
    as_json: AsJson = False,
    var: VarDir = None,
) -> None:
    """Hand in a bundle; it is examined, and not active yet."""
    model = upload_model(_client(var), file, model_type, {"profile_config": profile, "card": card}, description)
    if as_json:
        _print_json(model)
    else:
        print_report(f"{model['file_name']} as {model['model_type']}", model["validation_results"])
        _print_model(model)
        print(model["message"])


@models_app.command("validate")
def validate_command(file: Bundle, model_type: TypeOption, profile: Profile = None, as_json: AsJson = False) -> None:
    """Check a bundle as an upload would be checked, without any server. Exit status 0 if accepted, else 1."""
    raise typer.Exit(validate(file, model_type, profile, as_json))


@models_app.command("activate")
def activate_command(model_id: ModelId, why: Why = "", var: VarDir = None) -> None:
    """Make a model the active one of its type, from the next batch and request on."""
    _print_change(_client(var).post(f"/models/{model_id}/activate", {"why": why}))


@models_app.command("deactivate")
def deactivate_command(model_id: ModelId, why: Why = "", var: VarDir = None) -> None:
    """Have no active model of its type."""
    _print_change(_client(var).post(f"/models/{model_id}/deactivate", {"why": why}))


@models_app.command("rollback")
def rollback_command(
    model_type: Annotated[ModelType, typer.Argument(help="What the model is for.")],
    why: Why = "",
    var: VarDir = None,
) -> None:
    """Activate the model that was active before the present one."""
    _print_change(_client(var).post(f"/models/rollback/{model_type}", {"why": why}))


@models_app.command("delete")
def delete_command(
    model_id: ModelId,
    delete_file: Annotated[bool, typer.Option("--delete-file", help="The artefact, too, for good.")] = False,
    var: VarDir = None,
) -> None:
    """Delete a model that is not active; its record stays."""
    _print_change(_client(var).delete(f"/models/{model_id}", delete_file=str(delete_file).lower()))


def _client(var: VarDir) -> ApiClient:
    return ApiClient(settings_of(var))


def _print_model(model: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(f"model {model['id']}, {model['model_version']}: {model['state']}", style="bold")
    console.print(f"contract {model['contract']}, {len(model['expected_features'])} features", soft_wrap=True)
    against = ((model["validation_results"] or {}).get("figures") or {}).get("against_active")
    if against:
        console.print(against["text"], soft_wrap=True)


def _print_change(change: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(change["message"])
    if change["replaced"]:
        console.print(f"before it: model {change['replaced']['id']} ({change['replaced']['model_version']})")


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False))
