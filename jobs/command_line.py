"""What the jobs that are commands, too, have in common: options, errors, and the report."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from netheal.errors import NethealError
from netheal.settings import Settings, load_settings
from netheal.telemetry import configure_logging

_FAILED_STATUS = 2

Report = dict[str, Any]


def job_parser(command: str, description: str) -> ArgumentParser:
    """A parser with the options that all of them have."""
    parser = ArgumentParser(prog=command, description=description)
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, in numbers; change nothing")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object on the last line of stdout")
    parser.add_argument("--var", type=Path, metavar="DIR", help="folder of all data, logs and state")
    return parser


def logging_settings(var: Path | None) -> Settings:
    """The settings, for the folder `var` where one is named, with events written to stderr as they say."""
    configure_logging()
    settings = load_settings() if var is None else load_settings(var_dir=var.absolute())
    configure_logging(log_format=settings.log.format)
    return settings


def run_job(
    parser: ArgumentParser,
    arguments: Sequence[str] | None,
    job: Callable[[Settings, Namespace], Report],
    in_words: Callable[[Report], str],
) -> int:
    """Run the job and print its report; the exit status, 2 where it failed: then one sentence on stderr says why."""
    options = parser.parse_args(arguments)
    try:
        report = job(logging_settings(options.var), options)
    except NethealError as error:
        print(f"netheal: {error}", file=sys.stderr)
        return _FAILED_STATUS
    print(json.dumps(report) if options.json else in_words(report))
    return 0
