"""The example files are what the command makes, and netheal takes each of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from netheal.cli.app import app
from netheal.contracts import attack_classes, contract, wire_contracts
from netheal.contracts.catalogue import known_features
from netheal.contracts.message_schema import message_schema
from netheal.errors import ContractError, NethealError, SettingsError
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.settings import PROJECT_ROOT
from netheal.traffic.examples import LABEL_COLUMNS, example_flows
from netheal.traffic.generator import TrafficGenerator
from tests.unit.traffic.checked import checked

EXAMPLES = PROJECT_ROOT / "data" / "examples"
CONTRACT_IDS = [known.id for known in wire_contracts()]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def json_values(message: bytes) -> Any:
    """A message as strict JSON has it; None for what is none."""

    def refuse(token: str) -> None:
        raise ValueError(token)

    try:
        return json.loads(message, parse_constant=refuse)
    except ValueError:
        return None


def test_the_committed_files_are_what_the_command_of_their_readme_makes(tmp_path: Path) -> None:
    (command,) = (line for line in (EXAMPLES / "README.md").read_text().splitlines() if line.startswith("netheal "))
    words = [str(tmp_path / "new") if word == "DIR" else word for word in command.split()[1:]]
    made = CliRunner().invoke(app, words)
    assert made.exit_code == 0, made.output
    assert contents(EXAMPLES) == contents(tmp_path / "new"), "empty data/examples and run the command of its README"


@pytest.mark.parametrize("contract_id", CONTRACT_IDS)
def test_a_csv_of_each_contract_is_taken(contract_id: str) -> None:
    known = next(of for of in wire_contracts() if of.id == contract_id)
    name, label = contract_id.replace("/", "_"), LABEL_COLUMNS[known.model_type]
    (plain,) = read_flow_file(EXAMPLES / f"{name}.csv", [known])
    (labelled,) = read_flow_file(EXAMPLES / f"{name}_labelled.csv", [known])
    assert checked(encode_rows(plain)).rejected == []
    assert plain.num_rows >= 24 and plain.equals(labelled.drop_columns([label]))
    classes = set(labelled[label].to_pylist())
    assert classes == set(attack_classes().names) if known.model_type == "attack_classifier" else len(classes) > 6


def test_the_one_flow_is_one_that_the_schema_accepts() -> None:
    schema = json.loads((EXAMPLES / "message.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    (line,) = (EXAMPLES / "one.ndjson").read_bytes().splitlines()
    Draft202012Validator(schema).validate(json.loads(line))
    assert checked([line]).rejected == []


def test_the_schema_accepts_what_the_stream_accepts() -> None:
    validator = Draft202012Validator(message_schema())
    messages = TrafficGenerator(4, broken_share=0.3).messages(1_500)
    for flows in (example_flows(known, 12) for known in wire_contracts()):
        messages += encode_rows(flows)
    rejected = {fault.position: fault.reason for fault in checked(messages).rejected}
    assert len(set(rejected.values())) > 8
    for row, message in enumerate(messages):
        accepted = validator.is_valid(json_values(message))
        assert accepted == (row not in rejected or rejected[row] == "unknown_category"), (rejected.get(row), message)


def test_more_rows_of_one_contract(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["examples", str(tmp_path), "--rows", "70", "--contract", "threat/v2"])
    assert made.exit_code == 0, made.output
    assert sorted(contents(tmp_path)) == [
        "README.md",
        "message.schema.json",
        "one.ndjson",
        "threat_v2.csv",
        "threat_v2_labelled.csv",
    ]
    assert len((tmp_path / "threat_v2.csv").read_text().splitlines()) == 71
    assert "netheal examples DIR --rows 70 --contract threat/v2\n" in (tmp_path / "README.md").read_text()


def refusal(*words: str) -> NethealError:
    refused = CliRunner().invoke(app, ["examples", *words]).exception
    assert isinstance(refused, NethealError), refused
    return refused


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("of use")
    refused = refusal(str(tmp_path))
    assert isinstance(refused, SettingsError)
    assert str(refused) == f'{tmp_path} is not empty ("mine.csv"): name a new folder, or empty this one'
    assert contents(tmp_path) == {"mine.csv": b"of use"}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/examples")):
        assert str(refusal(str(place))).startswith(f"cannot write into {place}: ")


def test_a_contract_that_is_not_there() -> None:
    refused = refusal("--contract", "attack/v9")
    assert isinstance(refused, ContractError)
    assert "there is no contract 'attack/v9'; known are attack/v1" in str(refused)


def test_features_that_are_not_generated_are_named() -> None:
    known = contract("threat/v1")
    wider = replace(known, id="threat/other", features=(*known.features, known_features()["duration"]))
    with pytest.raises(ContractError, match='features of threat/other from: "duration"'):
        example_flows(wider, 2)
