"""`netheal rescore` becomes the job that its arguments ask for, or says what is wrong with them."""

import os
import sys

import pytest
from typer.testing import CliRunner

from netheal.cli.app import app
from netheal.rescoring.arguments import parse_arguments


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        (["a.csv", "--run-id", "x", "--json"], "jobs.rescore_csv"),
        (["--stored", "--since", "2026-03-01"], "jobs.rescore_store"),
    ],
)
def test_it_becomes_the_job(monkeypatch: pytest.MonkeyPatch, arguments: list[str], module: str) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, argv: became.append(argv))
    CliRunner().invoke(app, ["rescore", *arguments])
    assert became == [[sys.executable, "-m", module, *arguments]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "either files"),
        (["a.csv", "--stored"], "either files"),
        (["a.csv", "--since", "2026-03-01"], "--since goes with --stored"),
        (["--stored", "--since", "yesterday"], "is no time"),
    ],
)
def test_wrong_arguments_are_told(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_time_without_a_zone_is_utc() -> None:
    since = parse_arguments(["--stored", "--since", "2026-03-01T08:30"]).since
    assert since == parse_arguments(["--stored", "--since", "2026-03-01T10:30+02:00"]).since
