"""Hostile files: a served API answers each in time, and takes no more memory than it says, measured from outside."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from tests.api.served import Serve
from tests.api.uploads.conftest import ATTACK, ATTACK_ROW, THREAT, THREAT_ROW, URL

HEADER = ",".join(THREAT.names)
ATTACK_NAMES = ",".join(ATTACK.names)
ATTACK_CELLS = ATTACK_ROW.rpartition(",")[0]
TRAFFIC = "/api/v1/traffic"
MOST_S = 60
"""Each takes a second or two; what these files took before they were bounded were minutes and hours."""
MOST_MEMORY = 250 * 2**20
"""What the API may take beside what it has after an ordinary file; these take up to 110 MB together."""


def wide(rows: int, columns: int, chars: int) -> str:
    names = [f"{n:0{chars}}" for n in range(columns)]
    return f"{HEADER},{','.join(names)}\n" + f"{THREAT_ROW}{',1' * columns}\n" * rows


FILES: dict[str, tuple[Callable[[], str], int]] = {
    "a header of a million commas": (lambda: "," * 999_000 + "\n", 422),
    "a header of equal names": (lambda: f"{HEADER},{'a,' * 499_000}\n{THREAT_ROW}\n", 422),
    "many names of a thousand characters": (lambda: wide(600, 1_014, 1_000), 422),
    "as many and as long names as may be": (lambda: wide(2_000, 1_010, 60), 200),
    "a cell of the first line over 131,072 characters": (lambda: "x" * 140_000 + f",{HEADER}\n{THREAT_ROW}\n", 422),
    "a quote that is never closed": (lambda: f'{HEADER}\n"' + f"{THREAT_ROW}\n" * 100_000, 422),
    "a line of 20 MB": (lambda: f"{HEADER}\n" + "1," * 10_000_000, 422),
    "rows of half a million cells": (lambda: f"{HEADER}\n" + ("1," * 500_000 + "\n") * 20, 200),
    "cells of 130,000 quotes": (lambda: f"{HEADER},src_ip\n" + f'{THREAT_ROW},"{chr(34) * 130_000}"\n' * 50, 200),
    "twenty million empty lines": (lambda: f"{HEADER}\n{THREAT_ROW}\n" + "\n" * 20_000_000, 413),
    "numbers of 100,000 digits": (
        lambda: f"{HEADER}\n" + (THREAT_ROW.replace("181", "9" * 100_000) + "\n") * 60 + THREAT_ROW.replace("181", "x"),
        200,
    ),
    "words and numbers in turn": (
        lambda: f"{ATTACK_NAMES}\n" + f"{ATTACK_CELLS}\n{ATTACK_CELLS.replace('1', 'x')}\n" * 10_000,
        200,
    ),
    "as many malformed rows as may be": (lambda: f"{HEADER}\n" + "x\n" * 100_000, 200),
}


@pytest.mark.usefixtures("starters")
def test_a_hostile_file_costs_no_more_time_and_memory_than_another(serve: Serve) -> None:
    api = serve(NETHEAL_API_UPLOADS_PER_MINUTE="1000").wait_ready()
    post(api.address["url"], f"{HEADER}\n{THREAT_ROW}\n", 200)
    (worker,) = psutil.Process(api.process.pid).children()
    ordinary = peak_bytes(worker.pid)
    for name, (content, status) in FILES.items():
        text = content()
        post(api.address["url"], text, status)
        taken = peak_bytes(worker.pid) - ordinary
        assert taken < MOST_MEMORY, (name, taken)
    assert "Traceback" not in api.output()


def post(url: str, text: str, status: int) -> None:
    answer = requests.post(f"{url}{URL}?limit=10", files={"file": ("flows.csv", text.encode())}, timeout=MOST_S)
    assert answer.status_code == status, answer.text[:500]


def peak_bytes(pid: int) -> int:
    """The most memory that the process has had."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


BODIES: dict[str, tuple[bytes, int]] = {
    "spaces": (b" " * 16_000_000, 400),
    "an item of empty arrays": (b'[{"a": [' + b"[]," * 5_000_000 + b"1]}]", 202),
    "an item of numbers": (b'[{"a": [' + b"11," * 5_000_000 + b"1]}]", 202),
    "nested arrays": (b"[" * 16_000_000, 400),
    "a string that is never closed": (b'["' + b"x" * 16_000_000, 400),
}
"""What is no JSON is refused whole; of the rest only the item that is longer than a message may be is refused."""


def test_hostile_bodies_of_traffic_are_refused_in_time_and_memory(serve: Serve) -> None:
    api = serve().wait_ready()
    url = f"{api.address['url']}{TRAFFIC}"
    assert post_json(url, b"[").status_code == 400
    (worker,) = psutil.Process(api.process.pid).children()
    ordinary = peak_bytes(worker.pid)
    for name, (body, status) in BODIES.items():
        answer = post_json(url, body)
        assert answer.status_code == status, (name, answer.text[:500])
        if status == 202:
            assert answer.json()["rejected"] == [{"index": 0, "reason": "too_large"}], name
        taken = peak_bytes(worker.pid) - ordinary
        assert taken < 200 * 2**20, (name, taken)


def post_json(url: str, body: bytes) -> requests.Response:
    return requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=MOST_S)
