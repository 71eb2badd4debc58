"""The command answers a wrong order in one sentence, before anything is started."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from netheal.cli.app import app, main
from netheal.errors import SettingsError


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """The command sets up the process's logging, on a stream that ends with the test."""
    handlers = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


@pytest.fixture
def ordered(clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Order":
    return Order(clean_environment, capsys)


class Order:
    """Runs `netheal …` as a person does; its exit status and what it said on stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int | str | None, str]:
        self._monkeypatch.setattr(sys, "argv", ["netheal", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, self._capsys.readouterr().err


def test_without_a_broker_nothing_is_sent(ordered: Order, tmp_path: Path) -> None:
    path = tmp_path / "flows.csv"
    path.write_text("service\nhttp\n")
    status, said = ordered("traffic", "send", str(path))
    assert status == 2
    assert said == "netheal: no broker is named: set NETHEAL_KAFKA_BOOTSTRAP_SERVERS to host:port\n"


def test_a_wrong_setting_is_named(ordered: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETHEAL_SCORING_TASKS", "none")
    status, said = ordered("doctor")
    assert status == 2
    assert said.startswith("netheal: wrong settings: NETHEAL_SCORING_TASKS: ") and said.count("\n") == 1


def test_generated_traffic_and_files_exclude_each_other(clean_environment: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["up", "--traffic", "generated", "flows.csv"])
    assert isinstance(result.exception, SettingsError)
    assert str(result.exception) == "--traffic takes either `generated` or files, not both"


@pytest.mark.parametrize(
    "words", [["up", "--rate", "0"], ["up", "--duration", "-1"], ["traffic", "send", "missing.csv"]]
)
def test_a_wrong_argument_is_refused(ordered: Order, words: list[str]) -> None:
    status, said = ordered(*words)
    assert status == 2 and "Invalid value" in said


@pytest.mark.parametrize("command", ["up", "traffic", "topic", "checkpoint", "models", "jars", "doctor"])
def test_the_help_names_every_command(command: str) -> None:
    assert command in CliRunner().invoke(app, ["--help"]).output
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_a_bundle_is_validated(models: Path, tmp_path: Path) -> None:
    folder = models / "attack_classifier"
    words = ["models", "validate", str(folder / "attack_classifier.joblib"), "--model-type", "attack_classifier"]
    accepted = CliRunner().invoke(app, [*words, "--profile", str(folder / "attack_classifier_profile.json")])
    assert accepted.exit_code == 0
    assert "accepted" in accepted.output
    (tmp_path / "bundle.pkl").write_bytes(b"\x80\x04cos\nsystem\n(X\x04\x00\x00\x00truetR.")
    refused = CliRunner().invoke(
        app, ["models", "validate", str(tmp_path / "bundle.pkl"), "--model-type", "threat_detector", "--json"]
    )
    assert refused.exit_code == 1
    assert "os.system" in refused.output
