"""Example files to try netheal with: generated flows of each contract, and the schema of a message."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from netheal.contracts import Contract, ModelType, wire_contracts
from netheal.contracts.message_schema import message_schema
from netheal.errors import ContractError, SettingsError
from netheal.records.encode import encode_rows
from netheal.traffic.generator import START, profile_table, sample_flows
from netheal.traffic.identity import Identities
from netheal.traffic.mix import Kind, Plan, default_mix
from netheal.traffic.profiles import shipped_profile
from netheal.wording import listed

LABEL_COLUMNS: dict[ModelType, str] = {"attack_classifier": " Label", "threat_detector": "class"}
"""The column in which training files of either kind have a row's class."""
_PROFILES: dict[ModelType, str] = {"attack_classifier": "attack", "threat_detector": "threat"}
_KINDS: dict[ModelType, Kind] = {"attack_classifier": "attack/v1", "threat_detector": "threat/v1"}
"""Which profile says what protocol a flow is of."""
_SEED = 1
_ROWS_PER_S = 10.0
_ROWS_AT_ONCE = 10_000


def example_files(contracts: Sequence[Contract], rows: int) -> dict[str, bytes]:
    """File name -> content: for each contract a CSV with labels and one without, one flow, the schema, a README.

    The same arguments give the same bytes. Raises ContractError for a contract whose features are not generated.
    """
    files = {}
    for contract in contracts:
        table = example_flows(contract, rows)
        name = contract.id.replace("/", "_")
        files[f"{name}_labelled.csv"] = _csv(table)
        files[f"{name}.csv"] = _csv(table.drop_columns([LABEL_COLUMNS[contract.model_type]]))
    files["one.ndjson"] = _one_flow(contracts[0])
    files["message.schema.json"] = _json(message_schema(contracts))
    files["README.md"] = _readme(contracts, rows).encode()
    return files


def example_flows(contract: Contract, rows: int) -> pa.Table:
    """Flows with envelope, features and label; every second one is an attack, of each class in turn."""
    profile = shipped_profile(_PROFILES[contract.model_type])
    strange = [name for name in contract.names if name not in profile.features]
    if strange:
        raise ContractError(f"there are no statistics to generate features of {contract.id} from: {listed(strange)}")
    mix = default_mix()
    episodes = [mix.episodes[at // 2 % len(mix.episodes)] if at % 2 else mix.benign for at in range(rows)]
    kind = _KINDS[contract.model_type]
    plan = Plan(episodes, list(range(rows)), [kind] * rows)
    rng = np.random.default_rng(_SEED)
    flows = sample_flows(rng, Identities(_SEED, rng, START, _ROWS_PER_S), plan)
    of_attack = contract.model_type == "attack_classifier"
    features = profile_table(profile, flows.attacks if of_attack else flows.threats, contract.names)
    labels = [episode.attack for episode in episodes] if of_attack else flows.threat_names
    columns = {name: table[name] for table in (flows.envelope, features) for name in table.column_names}
    return pa.table(columns | {LABEL_COLUMNS[contract.model_type]: pa.array(labels, pa.string())})


def write_examples(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder that is new or empty; raises SettingsError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = sorted(entry.name for entry in folder.iterdir())
        if there:
            raise SettingsError(f"{folder} is not empty ({listed(there)}): name a new folder, or empty this one")
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise SettingsError(
            f"cannot write into {folder}: {error.strerror or error}. Name a folder that can be written"
        ) from error


def _one_flow(contract: Contract) -> bytes:
    """The message of the first attack, in one line."""
    table = example_flows(contract, 2).drop_columns([LABEL_COLUMNS[contract.model_type]])
    return encode_rows(table)[1] + b"\n"


def _csv(table: pa.Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for part in table.to_batches(_ROWS_AT_ONCE):
        writer.writerows(zip(*part.to_pydict().values(), strict=True))
    return text.getvalue().encode()


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _readme(contracts: Sequence[Contract], rows: int) -> str:
    options = [] if list(contracts) == list(wire_contracts()) else [f"--contract {known.id}" for known in contracts]
    lines = [
        "# Examples",
        "",
        "Flows of netheal's own generator, which knows statistics of public data, and no row of them. Addresses are",
        "of documentation and private ranges. Every second flow is an attack, of each class in turn. Made by",
        "",
        "```",
        " ".join([f"netheal examples DIR --rows {rows}", *options]),
        "```",
        "",
        "| file | what is in it |",
        "|---|---|",
    ]
    for contract in contracts:
        name, label = contract.id.replace("/", "_"), LABEL_COLUMNS[contract.model_type]
        lines.append(
            f"| `{name}.csv` | {rows} flows of `{contract.id}`, for `POST /api/v1/upload/csv`, if a model takes them |"
        )
        lines.append(
            f'| `{name}_labelled.csv` | the same with their class in the column "{label}", to compare verdicts with |'
        )
    lines += [
        f"| `one.ndjson` | one flow of `{contracts[0].id}`, an attack, as `POST /api/v1/traffic` takes it |",
        "| `message.schema.json` | JSON Schema of a message on the input topic |",
    ]
    return "\n".join(lines) + "\n"
