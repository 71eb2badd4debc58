"""A port is chosen once and remembered."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netheal.errors import SettingsError
from netheal.host.ports import LOOPBACK, OURS, answers, reserve_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_chosen_port_is_remembered_by_name(tmp_path: Path) -> None:
    first, other = reserve_port(tmp_path, "kafka", 0), reserve_port(tmp_path, "controller", 0)
    assert first in OURS
    assert first != other
    assert reserve_port(tmp_path, "kafka", 0) == first
    assert reserve_port(tmp_path, "controller", 0) == other


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path, taken: int) -> None:
    (tmp_path / "ports.json").write_text(f'{{"kafka": {taken}}}')
    port = reserve_port(tmp_path, "kafka", 0, patience_s=0.1)
    assert port != taken
    assert reserve_port(tmp_path, "kafka", 0) == port


def test_a_port_that_was_asked_for_is_not_replaced(tmp_path: Path, taken: int) -> None:
    with pytest.raises(SettingsError, match=f"port {taken} is taken"):
        reserve_port(tmp_path, "kafka", taken, patience_s=0.1)


def test_answers(taken: int) -> None:
    assert answers(taken)
