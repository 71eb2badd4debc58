"""`netheal verify`: the receipt of a stored verdict, for a person or as JSON."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from netheal.embedded.running import named_postgres
from netheal.errors import NethealError
from netheal.receipts.document import receipt_document
from netheal.receipts.verification import Receipts
from netheal.registry.artefacts import Artefacts
from netheal.settings import Settings
from netheal.store.archive import Archive
from netheal.store.delta import verdicts_layout
from netheal.store.pool import Pool

_EQUAL, _DIFFERENT, _UNVERIFIABLE = 0, 1, 2
_SHOWN_PARTS = 10
_METHODS = {
    "tree_path": "the path through its tree",
    "path_contributions": "what each feature changes along the paths of its trees, from the mean at their roots",
    "sampled_orders": "what each feature changes when it replaces the baseline's, over {orders} orders",
}


def verify_command(settings: Settings, event_id: int, as_json: bool, console: Console | None = None) -> int:
    """Print the receipt; 0 where the verdict is bit-equal, 1 where it differs, 2 where it cannot be verified.

    Without `as_json` what cannot be verified is raised, for `main` to say.
    """
    try:
        found = _document(settings, event_id)
    except NethealError as error:
        if not as_json:
            raise
        print(json.dumps({"event_id": event_id, "outcome": "unverifiable", "reason": str(error)}, ensure_ascii=False))
        return _UNVERIFIABLE
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print(found, console or Console(highlight=False))
    return _EQUAL if found["outcome"] == "equal" else _DIFFERENT


def _document(settings: Settings, event_id: int) -> dict[str, Any]:
    named = named_postgres(settings)
    pool = Pool(named.postgres.dsn.get_secret_value())
    try:
        archive = Archive(verdicts_layout(), named.paths.delta_root)
        receipts = Receipts(pool, archive, Artefacts(named.paths.artefacts_dir))
        return receipt_document(receipts.of_event(event_id))
    finally:
        pool.close()


def _print(found: dict[str, Any], console: Console) -> None:
    console.print(f"[bold]event {found['event_id']}[/bold], {found['recorded_at']}, policy {found['policy_version']}")
    if found["outcome"] == "equal":
        console.print(f"[green]bit-equal[/green]: scored again, {found['columns_compared']} columns are the same bits")
    else:
        console.print(f"[red]different[/red]: {escape(found['rejection'] or 'scored again, these columns differ')}")
    for of in found["differences"]:
        console.print(f"  {of['column']}: stored {_shown(of['stored'])}, scored again {_shown(of['rescored'])}")
    for model in found["models"]:
        console.print()
        console.print(
            f"[bold]{model['model_type'].replace('_', ' ')}[/bold] {escape(model['version'])}, {model['hash'][:12]}"
        )
        if model["explanation"] is None:
            console.print("  does not take the row as it is stored now")
        else:
            _print_explanation(model["explanation"], console)


def _print_explanation(of: dict[str, Any], console: Console) -> None:
    attribution = of["attribution"]
    method = _METHODS[of["method"]].format(orders=attribution and attribution["orders"])
    limit = "" if of["threshold"] is None else f", attack from {of['threshold']:g} on"
    console.print(f"  {escape(of['of'])} {of['answer']:.6g}{limit}: {method}", soft_wrap=True)
    if of["votes"]:
        console.print(f"  votes: {escape(_counted(of['votes']))} of {sum(of['votes'].values())} trees")
    for condition in of["path"] or ():
        console.print(f"  {escape(condition['text'])}  [dim](it is {_value(condition)})[/dim]", soft_wrap=True)
    if of["path"] and of["path_length"] > len(of["path"]):
        console.print(f"  … {of['path_length'] - len(of['path'])} more conditions; in short:")
        for condition in of["path_in_short"]:
            console.print(f"  {escape(condition['text'])}", soft_wrap=True)
    if of["leaf"]:
        console.print(f"  leaf: {escape(', '.join(f'{name} {share:.6g}' for name, share in of['leaf'].items()))}")
    if attribution:
        _print_attribution(attribution, console)


def _print_attribution(of: dict[str, Any], console: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for heading in ("  feature", "value", "adds"):
        table.add_column(heading, justify="left" if heading.strip() == "feature" else "right")
    for part in of["parts"][:_SHOWN_PARTS]:
        table.add_row(f"  {escape(part['feature'].strip())}", _value(part), f"{part['contribution']:+.6f}")
    rest = of["parts"][_SHOWN_PARTS:]
    if rest:
        table.add_row(f"  {len(rest)} others", "", f"{sum(part['contribution'] for part in rest):+.6f}")
    console.print(table)
    word = "complete" if of["complete"] else "[red]not complete[/red]"
    console.print(
        f"  {word}: baseline {of['baseline']:.6f} + parts {of['sum']:+.6f} = {of['baseline'] + of['sum']:.6f},"
        f" answer {of['answer']:.6f}, off by {of['error']:.1e} (at most {of['tolerance']:.0e})",
        soft_wrap=True,
    )


def _value(of: dict[str, Any]) -> str:
    """The row's value with its unit, or its category."""
    if of["category"] is not None:
        return escape(str(of["category"]))
    return f"{of['value']:,.10g}{' ' + of['unit'] if of['unit'] else ''}"


def _counted(votes: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in votes.items())


def _shown(value: Any) -> str:
    return escape("nothing" if value is None else repr(value) if isinstance(value, float) else str(value))
