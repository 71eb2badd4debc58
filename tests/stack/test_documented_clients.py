"""The clients of docs/integration.md and the three lines of the README, run as they stand there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
import requests

from netheal.embedded.running import settings_of_running
from netheal.settings import PROJECT_ROOT, load_settings
from tests.deadlines import DEADLINE_S, REQUEST_S
from tests.fenced_blocks import Block, fenced_blocks
from tests.stack.harness import NETHEAL, Job, eventually

pytestmark = [pytest.mark.stack, pytest.mark.slow]

GUIDE = PROJECT_ROOT / "docs" / "integration.md"
ONE_FLOW = PROJECT_ROOT / "data" / "examples" / "one.ndjson"
PRINTED = {
    ("Flows in: a Kafka producer", "python"): "sent",
    ("Verdicts out: a Kafka consumer", "python"): "DDoS restart_service",
    ("A REST client", "python"): "'attack_type_name': 'DDoS'",
    ("A REST client", "bash"): "Successfully processed 36 rows",
    ("A WebSocket client", "python"): "'attack_type_name': 'DDoS'",
    ("The tables", "python"): "'attack_class': 'DDoS'",
    ("A model in your own code", "python"): "DDoS",
}
"""What each client of the guide has to print; the statements in SQL have to find a row."""
COMMANDS = {"python": [sys.executable, "-u", "-c"], "bash": ["bash", "-euo", "pipefail", "-c"]}


@dataclass(frozen=True)
class Stack:
    """Where a running netheal is."""

    var: Path
    api: str
    broker: str
    dsn: str

    def here(self, code: str) -> str:
        """A block with the addresses of this netheal in the place of those that the pages name."""
        places = {
            "127.0.0.1:9092": self.broker,
            "http://127.0.0.1:8000": self.api,
            "ws://127.0.0.1:8000": self.api.replace("http", "ws"),
            '"var/delta': f'"{self.var}/delta',
        }
        for documented, actual in places.items():
            code = code.replace(documented, actual)
        return code

    def send_one_flow(self) -> None:
        """The flow of the examples, once more."""
        headers = {"Content-Type": "application/x-ndjson"}
        sent = requests.post(f"{self.api}/api/v1/traffic", ONE_FLOW.read_bytes(), headers=headers, timeout=REQUEST_S)
        assert sent.ok, sent.text


@pytest.fixture
def stack(var_folder: Path) -> Iterator[Stack]:
    up = Job([*NETHEAL, "up", "--var", str(var_folder)], {"NETHEAL_DRIVER_MEMORY": "1g"}, var_folder / "up.log")
    try:
        note = var_folder / "api.json"
        eventually(lambda: up.process.poll() is not None or note.exists(), "the API is up")
        assert up.process.poll() is None, up.tail()
        settings = settings_of_running(load_settings(var_dir=var_folder))
        api = json.loads(note.read_text())["url"].rstrip("/")
        eventually(lambda: requests.get(f"{api}/health", timeout=REQUEST_S).json()["ready"], "all is ready")
        yield Stack(var_folder, api, settings.kafka.bootstrap_servers, settings.postgres.dsn.get_secret_value())
        up.terminate()
        assert up.wait_exit() == 0, up.tail()
    finally:
        up.kill()


def test_every_client_of_the_guide_and_the_three_lines_of_the_readme(stack: Stack) -> None:
    (lines,) = fenced_blocks(PROJECT_ROOT / "README.md", "bash")
    assert len(lines.code.splitlines()) == 3
    answer = json.loads(output_of(stack, lines))
    assert answer["attack_prediction"]["attack_type_name"] == "DDoS"
    assert answer["self_healing_action"]["action_type"] == "restart_service"
    for block in fenced_blocks(GUIDE):
        if block.language == "sql":
            assert rows_of(stack, block.code), block.code
        else:
            assert_prints(stack, block, PRINTED[block.section, block.language])


def output_of(stack: Stack, block: Block) -> str:
    """What a block prints that ends by itself."""
    argv = [*COMMANDS[block.language], stack.here(block.code)]
    done = subprocess.run(argv, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, (block.code, done.stderr)
    return done.stdout


def assert_prints(stack: Stack, block: Block, expected: str) -> None:
    """Run a block until it has printed something; one that listens is sent flows, and ended."""
    if "while True" not in block.code or "break" in block.code:
        assert expected in output_of(stack, block)
        return
    client = Job([*COMMANDS[block.language], stack.here(block.code)], {}, stack.var / "client.log")

    def printed() -> bool:
        assert client.process.poll() is None, client.tail()
        stack.send_one_flow()
        return expected in client.output()

    try:
        eventually(printed, f"{block.section} prints {expected}")
    finally:
        client.kill()


def rows_of(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(stack.dsn, connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()
