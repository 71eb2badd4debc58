"""What the benchmarks' commands have in common: where events go, how a failure ends one, figures as JSON."""

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console

from benchmarks.machine import machine
from netheal.errors import NethealError
from netheal.settings import PROJECT_ROOT
from netheal.telemetry import configure_logging

_EVENTS = PROJECT_ROOT / "var" / "benchmarks" / "events.log"


def open_console(json_output: bool) -> Console:
    """Where a benchmark tells of itself: stderr where its figures are JSON on stdout. Events go to a file.

    SIGTERM ends it as Ctrl-C does, so that what it started is ended, too.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    configure_logging(_EVENTS)
    return Console(stderr=json_output)


@contextmanager
def exit_on_failure(console: Console) -> Iterator[None]:
    """Status 1 and one sentence where what is measured fails."""
    try:
        yield
    except NethealError as error:
        console.print(f"{error}", style="red", markup=False)
        raise typer.Exit(1) from error


def write_json(document: Mapping[str, Any]) -> None:
    """One object on stdout, with the machine it was measured on."""
    sys.stdout.write(json.dumps({**document, "machine": machine()}, ensure_ascii=False) + "\n")
