"""The decoder of all wire contracts, sound messages, and checking with the starter models' encoders."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from netheal.bundles.served import ServedBundle
from netheal.contracts import contract, wire_contracts
from netheal.records.check import Checked, Encoders, check
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel

Row = dict[str, Any]
CheckMessages = Callable[..., Checked]


@pytest.fixture(scope="session")
def decoder() -> MessageDecoder:
    return MessageDecoder(vocabulary(wire_contracts()))


@pytest.fixture
def attack_row() -> Row:
    """A sound row of attack/v1."""
    return dict.fromkeys(contract("attack/v1").names, 1)


@pytest.fixture
def threat_row() -> Row:
    """A sound row of threat/v1."""
    return dict.fromkeys(contract("threat/v1").names, 1) | {"service": "http", "flag": "SF"}


@pytest.fixture(scope="session")
def starters(threat_bundle: ServedBundle) -> dict[str, Encoders]:
    """What is active when the starter models are."""
    return {"attack/v1": {}, "threat/v1": ServedModel(threat_bundle).encoders}


@pytest.fixture
def check_messages(decoder: MessageDecoder, starters: dict[str, Encoders]) -> CheckMessages:
    """Decodes and checks messages: bytes, None, or rows to be written as JSON."""

    def run(*messages: bytes | Row | None, active: dict[str, Encoders] = starters) -> Checked:
        values = [json.dumps(m).encode() if isinstance(m, dict) else m for m in messages]
        return check(decoder.decode(pa.array(values, pa.binary())), active)

    return run
