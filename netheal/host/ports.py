"""Loopback ports: chosen once, remembered in the folder of what listens there."""

import json
import random
import socket
import time
from pathlib import Path

from netheal.errors import SettingsError
from netheal.host.atomic_write import write_whole

LOOPBACK = "127.0.0.1"
OURS = range(20_000, 32_000)
"""Below the range from which Linux takes the ports of outgoing connections, which would take ours away."""


def is_free(port: int) -> bool:
    """Whether a server of ours could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def choose_port() -> int:
    """A free port of our range."""
    for port in random.sample(OURS, 200):
        if is_free(port):
            return port
    raise SettingsError(f"no free port between {OURS.start} and {OURS.stop} on {LOOPBACK}: end what holds them")


def reserve_port(folder: Path, name: str, wanted: int, patience_s: float = 3.0) -> int:
    """The port `name` of `folder`: the wanted one, else the remembered one, else (or if taken) a new one.

    Raises SettingsError when a port that was asked for by number is taken.
    """
    note = folder / "ports.json"
    ports = _remembered(note)
    port = wanted or ports.get(name, 0)
    if port and not wait_free(port, patience_s):
        if wanted:
            raise SettingsError(f"port {port} is taken: end what listens there or set another for {name}")
        port = 0
    ports[name] = port or choose_port()
    write_whole(note, json.dumps(ports))
    return ports[name]


def _remembered(note: Path) -> dict[str, int]:
    try:
        return dict(json.loads(note.read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # never written, or cut by a full disk
        return {}


def wait_free(port: int, patience_s: float) -> bool:
    """Whether the port is free within so many seconds; what is left of a killed process gives it up in one or two."""
    limit = time.monotonic() + patience_s
    while not is_free(port):
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True
