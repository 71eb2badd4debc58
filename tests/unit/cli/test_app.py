"""The command answers a wrong order in one sentence, before anything is started."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netheal.cli.app import app, main
from netheal.errors import SettingsError

pytestmark = pytest.mark.usefixtures("own_logging")  # the command sets it up, on a stream that ends with the test


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
    status, said = ordered("traffic", "send", str(path), "--var", str(tmp_path / "var"))
    assert status == 2
    assert said.startswith(f"netheal: netheal does not run in {tmp_path / 'var'}: start it with `netheal up`, ")
    assert said.endswith("set NETHEAL_KAFKA_BOOTSTRAP_SERVERS to the host:port of another broker\n")
    assert said.count("\n") == 1


def test_a_wrong_setting_is_named(ordered: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETHEAL_SCORING_TASKS", "none")
    status, said = ordered("doctor")
    assert status == 2
    assert said.startswith("netheal: invalid settings: NETHEAL_SCORING_TASKS: ") and said.count("\n") == 1


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


@pytest.mark.parametrize(
    "command", ["up", "traffic", "topic", "checkpoint", "models", "jars", "status", "doctor", "tokens", "examples"]
)
def test_the_help_names_every_command(command: str) -> None:
    assert command in CliRunner().invoke(app, ["-h"]).output
    for option in ("-h", "--help"):
        assert CliRunner().invoke(app, [command, option]).exit_code == 0


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"netheal {version('netheal')}\n")


def test_the_status_of_a_netheal_that_does_not_run(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["status", "--json", "--var", str(tmp_path)])
    found = json.loads(told.output)
    assert told.exit_code == 1
    assert (found["running"], found["var_dir"], found["stream"], found["totals"]) == (False, str(tmp_path), None, None)
    shown = CliRunner().invoke(app, ["status", "--var", str(tmp_path)])
    assert shown.exit_code == 1 and "does not run in" in shown.output and "netheal up" in shown.output


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
