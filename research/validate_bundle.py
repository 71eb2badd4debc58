"""Check a bundle as an upload would be checked, and print the report; nothing of the file is executed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from netheal.bundles.intake.validate_file import validate
from netheal.contracts import MODEL_TYPES


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where the bundle is accepted, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-path", type=Path, required=True)
    parser.add_argument("--model-type", choices=MODEL_TYPES, required=True)
    parser.add_argument("--profile", type=Path, help="its profile JSON")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.parse_args(arguments)
    return validate(options.model_path, options.model_type, options.profile, options.json)


if __name__ == "__main__":
    sys.exit(main())
