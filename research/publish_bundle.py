"""Publish a trained bundle to a running netheal: upload it, test it on a CSV of flows, activate it.

    python research/publish_bundle.py --model-path attack_classifier.joblib --model-type attack_classifier \
        --profile attack_classifier_profile.json --test-csv flows.csv --activate

A test that fails takes the activation back. The API is the one that NETHEAL_API_URL names, or this machine's;
the token is that of NETHEAL_API_TOKEN.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from netheal.api_client import ApiClient, upload_model
from netheal.contracts import MODEL_TYPES
from netheal.errors import NethealError
from netheal.settings import load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where all that was asked for was done, 1 where the test failed, 2 where the API refused."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        client = ApiClient(load_settings())
        beside = {"profile_config": options.profile, "card": options.card}
        model = upload_model(client, options.model_path, options.model_type, beside, options.description)
        console.print(model["message"])
        if options.activate:
            console.print(client.post(f"/models/{model['id']}/activate", {"why": options.description})["message"])
        activated = options.activate and not model["is_active"]
        if options.test_csv is not None and not _tested(client, model, options.test_csv, activated, console):
            return 1
    except NethealError as error:
        Console(stderr=True).print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        return 2
    return 0


def _tested(client: ApiClient, model: dict[str, Any], csv: Path, active: bool, console: Console) -> bool:
    """Score the CSV over the API; where that fails with the new model, the one before it comes back."""
    try:
        found = client.upload("/upload/csv", csv)
    except NethealError:
        if active:
            console.print(client.post(f"/models/rollback/{model['model_type']}", {"why": "the test failed"})["message"])
        raise
    console.print(f"{found['message']}: {found['summary']}", markup=False)
    if found["predictions"]:
        return True
    console.print("no row of the CSV was scored: look at its columns", style="red")
    if active:
        console.print(client.post(f"/models/rollback/{model['model_type']}", {"why": "the test failed"})["message"])
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", type=Path, required=True)
    parser.add_argument("--model-type", choices=MODEL_TYPES, required=True)
    parser.add_argument("--profile", type=Path, help="its profile JSON")
    parser.add_argument("--card", type=Path, help="its model card")
    parser.add_argument("--description", default="")
    parser.add_argument("--test-csv", type=Path, help="flows to score over the API")
    parser.add_argument("--activate", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
