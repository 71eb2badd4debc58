"""The options that both training scripts take, under one name each; earlier spellings still work."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from netheal.bundles.served import MANIFEST_FILE
from netheal.contracts import Feature
from netheal.contracts.declared_features import declared_features
from netheal.errors import ContractError
from netheal.settings import PROJECT_ROOT
from research.artefacts import default_version
from research.weights import CHOICES

STARTERS = PROJECT_ROOT / "research" / "models"


def training_parser(description: str | None, kinds: dict[str, str], folder: str) -> argparse.ArgumentParser:
    """A parser of the options of both scripts; `kinds` are the models to choose from, and what each is called."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    train = ("--train-files", "--train_csvs", "--train_csv")
    add(*train, dest="train_files", type=Path, nargs="+", required=True, help="CSV, csv.gz or Parquet to train on")
    test = ("--test-files", "--test_files", "--test_csv")
    add(*test, dest="test_files", type=Path, nargs="*", default=[], help="other files to measure on; never trained on")
    add("--model", choices=list(kinds), default=next(iter(kinds)), help="what is trained")
    add("--contract", help="a shipped contract whose features are taken; without it they are selected from the data")
    declared = "JSON of features that netheal does not know, each with type, range and meaning, as a profile has them"
    add("--feature-definitions", type=Path, help=declared)
    add("--class-weights", choices=CHOICES, default="none", help="how much rows of frequent labels count less")
    add("--random-state", "--random_state", type=int, default=42, help="the seed of splits and training")
    add("--repeats", type=int, default=1, help="seeds over which the figures' range is given")
    add("--thorough", action="store_true", help="measure also on unseen families, groups, sources and later rows")
    output = PROJECT_ROOT / "var" / "trained" / folder
    add("--output-dir", "--output_dir", type=Path, default=output, help="where everything is written")
    novelty = "add training ranges and figures of novelty to the model in this folder, which these options trained"
    add("--novelty-of", type=Path, metavar="FOLDER", help=f"{novelty}; nothing is trained in its place")
    told = "add histograms of the training rows to the model in this folder, which these options trained"
    add("--histograms-of", type=Path, metavar="FOLDER", help=f"{told}; nothing is trained in its place")
    add("--version", help="the model's version; default: its kind, v1 and today")
    return parser


def parsed(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, kinds: dict[str, str]
) -> argparse.Namespace:
    """The options, `command` as given, what defines features in `definitions` and `declared`; exits on a wrong one."""
    options = parser.parse_args(arguments)
    options.command = sys.argv[1:] if arguments is None else list(arguments)
    options.version = options.version or default_version(kinds[options.model])
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    if options.output_dir.resolve().is_relative_to(STARTERS):
        parser.error(f"{options.output_dir} holds committed starter models: train into another folder, and copy it")
    trained = options.novelty_of or options.histograms_of
    if trained is not None and not (trained / MANIFEST_FILE).is_file():
        parser.error(f"there is no {MANIFEST_FILE} of a trained model in {trained}")
    for path in (*options.train_files, *options.test_files):
        if not path.is_file():
            parser.error(f"there is no file {path}")
    options.definitions, options.declared = _declared(parser, options.feature_definitions)
    _require_writable(parser, trained or options.output_dir)
    return options


def _declared(parser: argparse.ArgumentParser, path: Path | None) -> tuple[dict[str, Any], dict[str, Feature]]:
    """The definitions of a file by the names of their features, as they stand there and as features."""
    if path is None:
        return {}, {}
    try:
        definitions = json.loads(path.read_text("utf-8"))
        return definitions, declared_features(definitions)
    except (OSError, ValueError, ContractError) as error:
        parser.error(f"--feature-definitions {path}: {error}")


def _require_writable(parser: argparse.ArgumentParser, folder: Path) -> None:
    """Exit before hours of training rather than after them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        parser.error(f"cannot write into {folder}: {error.strerror}: name another folder with --output-dir")
