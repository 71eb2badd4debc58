"""The arguments of `netheal rescore`, and of the jobs that it starts."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from netheal.rescoring.plan import Request


def parse_arguments(arguments: Sequence[str], stored: bool | None = None) -> Namespace:
    """The arguments by name; ends the process for such as are none.

    `stored` is whether they are of stored rows, None where `--stored` says so.
    """
    parser = ArgumentParser("netheal rescore", description="Score flow files, or stored rows, of any size.")
    parser.add_argument("inputs", nargs="*", metavar="FILE", help="CSV (.gz, .zst) and Parquet files, folders, globs")
    parser.add_argument("--stored", action="store_true", help="the rows that the stream stored, in place of files")
    parser.add_argument("--since", type=_time, metavar="TIME", help="of stored rows, those recorded from then on (UTC)")
    parser.add_argument("--output", metavar="DIR", help="folder of tables and reports; else NETHEAL_RESCORED_ROOT")
    parser.add_argument("--run-id", metavar="ID", help="of a new run, or of one to go on with; else the time")
    parser.add_argument(
        "--model",
        dest="models",
        action="append",
        default=[],
        metavar="[TYPE=]PATH",
        help="a bundle, in the place of the active model of its type; may be given more than once",
    )
    parser.add_argument(
        "--compare",
        metavar="MODEL",
        help="the model that was before, a bundle or `active`: what changed is in the report",
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="a summary as JSON on the last line")
    parser.add_argument("--var", metavar="DIR", help="folder of all data, logs and state")
    found = parser.parse_args(list(arguments))
    found.stored = found.stored if stored is None else stored
    if found.stored == bool(found.inputs):
        parser.error("give either files, folders and globs, or --stored")
    if found.since is not None and not found.stored:
        parser.error("--since goes with --stored")
    return found


def request_of(found: Namespace) -> Request:
    """What the arguments ask for."""
    return Request(found.inputs, found.models, found.compare, found.stored, found.since)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time: write 2026-03-01 or 2026-03-01T08:30") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
