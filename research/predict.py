"""Score a CSV of flows by a bundle, without a server and without training; nothing of the bundle is executed.

    python research/predict.py attack_classifier.joblib flows.csv --out verdicts.csv

Each row of the CSV gives one row: the line where it begins, what its verdict says, and why it was rejected if it was.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv
from rich.console import Console

from netheal.bundles.intake.validate_file import examine_as
from netheal.bundles.served import ServedBundle
from netheal.contracts import MODEL_TYPES
from netheal.errors import BundleError, NethealError
from netheal.healing.policy import read_policy
from netheal.settings import load_settings
from netheal.uploads.score_by_bundle import score_by_bundle


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where a row was scored, 1 where none was, 2 where a file was refused or cannot be read."""
    options, console = _parser().parse_args(arguments), Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        bundle = _accepted(options.bundle, options.model_type, options.profile)
        policy = read_policy(load_settings().paths.policy_path)
        with options.csv.open("rb") as file:
            counts = _write(score_by_bundle(bundle, policy, file), options.out)
    except (NethealError, OSError) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    rejected = "".join(f", {count:,} rejected as {reason}" for reason, count in counts.most_common() if reason)
    console.print(f"{counts['']:,} of {counts.total():,} rows scored by {bundle.manifest.version}{rejected}")
    return 0 if counts[""] else 1


def _accepted(path: Path, model_type: str | None, profile: Path | None) -> ServedBundle:
    """The bundle as what it is; raises BundleError with the reason of the type that it nearly was."""
    reports = []
    # An attack classifier is tried first: its classes have names that a threat detector does not know.
    for tried in (model_type,) if model_type else ("attack_classifier", "threat_detector"):
        found = examine_as(path, tried, profile)
        if found.bundle is not None:
            return found.bundle
        reports.append(found.report)
    best = max(reports, key=lambda report: sum(step.passed is True for step in report.steps))
    raise BundleError(f"{path.name} was refused as {best.model_type}: {best.reason}")


def _write(tables: Iterable[pa.Table], path: Path | None) -> Counter[str]:
    """Write them as one CSV, whole or not at all; how many rows there are by the reason of a rejection, "" for none."""
    if path is None:
        return _write_to(sys.stdout.buffer, tables)
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as out:
            counts = _write_to(out, tables)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return counts


def _write_to(out: IO[bytes], tables: Iterable[pa.Table]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number, table in enumerate(tables):
        pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=not number))
        counts.update(reason or "" for reason in table["reason"].to_pylist())
    out.flush()
    return counts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="a .joblib, .pkl or .h5 file")
    parser.add_argument("csv", metavar="CSV", type=Path, help="flows of its contract, at most a million lines")
    parser.add_argument("--model-type", choices=MODEL_TYPES, help="what the bundle is for; default: what it fits")
    parser.add_argument("--profile", type=Path, help="its profile JSON")
    parser.add_argument("--out", type=Path, help="where the verdicts are written; default: standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
