"""Check a bundle as an upload would be checked, and print the report; nothing of the file is executed.

    python research/validate_bundle.py --model-path attack_classifier.joblib --model-type attack_classifier \
        --csv flows.csv

With a CSV its columns and rows are checked against the bundle, too, and every row is scored. No server is needed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from netheal.bundles.intake.validate_file import examine_as, show_report
from netheal.contracts import MODEL_TYPES
from netheal.errors import NethealError
from netheal.healing.policy import read_policy
from netheal.settings import load_settings
from netheal.uploads.csv_checklist import csv_checklist


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where the bundle is accepted and the CSV fits it, 1 where not, 2 where a file cannot be read."""
    options = _parser().parse_args(arguments)
    try:
        found = examine_as(options.model_path, options.model_type, options.profile)
        report, passed = found.report.to_document(), found.report.accepted
        if options.csv is not None:
            with options.csv.open("rb") as file:
                checklist = csv_checklist(found.bundle, read_policy(load_settings().paths.policy_path), file)
            passed = passed and checklist.passed
            report["steps"] += checklist.steps
            report["warnings"] += checklist.notes
            report["accepted"] = passed
    except (NethealError, OSError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        return 2
    show_report(f"{options.model_path.name} as {options.model_type}", report, options.json)
    return 0 if passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", type=Path, required=True, help="the bundle: .joblib, .pkl or .h5")
    parser.add_argument("--model-type", choices=MODEL_TYPES, required=True, help="what it is for")
    parser.add_argument("--profile", type=Path, help="its profile JSON")
    parser.add_argument("--csv", type=Path, help="flows to check against it")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
