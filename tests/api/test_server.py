"""The API as a process of its own: found, stopped, and refused with one sentence."""

import json
import socket
from pathlib import Path

import requests

from tests.api.served import Serve


def test_it_says_where_it_is_and_ends_on_sigterm(serve: Serve) -> None:
    api = serve().wait_ready()
    assert "pyarrow" not in Path(f"/proc/{api.process.pid}/maps").read_text()  # its threads would not survive the fork
    assert api.address["pid"] == api.process.pid
    assert requests.get(api.address["url"] + "/health/live", timeout=20).status_code == 200
    api.process.terminate()
    assert api.process.wait(15) == 0
    assert not api.note.exists()
    events = [json.loads(line)["event"] for line in api.output().splitlines()]
    assert events[0] == "api.started" and events[-1] == "api.stopped"


def test_gunicorn_takes_orders_from_the_settings_only(serve: Serve) -> None:
    api = serve(GUNICORN_CMD_ARGS="--bind 127.0.0.1:1 --workers 3", WEB_CONCURRENCY="3").wait_ready()
    children = Path(f"/proc/{api.process.pid}/task/{api.process.pid}/children")
    assert len(children.read_text().split()) == 1


def test_an_address_that_others_reach_is_refused_without_an_admins_token(serve: Serve) -> None:
    api = serve(NETHEAL_API_HOST="0.0.0.0")
    assert api.process.wait(40) == 2
    assert "netheal tokens create NAME --role admin" in api.output().splitlines()[-1]


def test_a_port_that_is_taken_is_one_sentence(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        api = serve(NETHEAL_API_PORT=str(taken.getsockname()[1]))
        assert api.process.wait(40) == 2
    assert api.output().splitlines()[-1].startswith(f"port {taken and api.output().split()[1]} is taken")


def test_tokens_open_it_once_they_are_asked_for(serve: Serve) -> None:
    first = serve().wait_ready()
    made = requests.post(f"{first.address['url']}/api/v1/tokens", json={"name": "root", "role": "admin"}, timeout=20)
    first.process.terminate()
    first.process.wait(15)
    api = serve(NETHEAL_API_TOKENS_REQUIRED="true").wait_ready()
    url = f"{api.address['url']}/api/v1/tokens"
    assert requests.get(url, timeout=20).status_code == 401
    assert requests.get(url, headers={"X-Forwarded-For": "127.0.0.1"}, timeout=20).status_code == 401
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    assert requests.get(url, headers=bearer, timeout=20).status_code == 200
