"""The first admin's token: made once, into a file that its owner alone may read, by a start that needs it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from api.first_admin import make_first_admin
from netheal.errors import SettingsError
from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.tokens import create_first_admin, create_token, list_tokens, revoke_token, usable_token
from tests.api.served import Serve


def test_it_is_made_once_and_opens_the_api(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "admin-token"
    asked = {"NETHEAL_API_HOST": "0.0.0.0", "NETHEAL_API_ADMIN_TOKEN_FILE": str(file)}
    first = serve(**asked).wait_ready()
    text = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    url = f"http://127.0.0.1:{first.address['port']}/api/v1/tokens"
    assert requests.get(url, timeout=20).status_code == 401
    (token,) = requests.get(url, headers={"Authorization": f"Bearer {text}"}, timeout=20).json()["tokens"]
    assert (token["role"], token["created_by"], token["expires_at"]) == ("admin", "start", None)
    assert text not in first.output() and f'"file": "{file}"' in first.output()
    first.process.terminate()
    first.process.wait(30)
    second = serve(**asked).wait_ready()
    assert file.read_text().strip() == text and "api.admin_token_made" not in second.output()


def test_an_admin_there_is_already_keeps_the_file_unwritten(database: Connection, tmp_path: Path) -> None:
    create_token(database, "root", "admin", "test", None)
    make_first_admin(database, tmp_path / "admin-token")
    assert not (tmp_path / "admin-token").exists()


def test_once_nobody_is_an_admin_any_more_the_next_start_makes_another(database: Connection, tmp_path: Path) -> None:
    revoke_token(database, create_token(database, "root", "admin", "test", None)[0].id)
    (tmp_path / "admin-token").write_text("nh_of_a_database_that_is_gone\n")
    make_first_admin(database, tmp_path / "admin-token")
    found = usable_token(database, (tmp_path / "admin-token").read_text().strip())
    assert found is not None and found.role == "admin"
    assert (tmp_path / "admin-token").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_leaves_no_token(database: Connection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="NETHEAL_API_ADMIN_TOKEN_FILE names .*: make its folder writable"):
        make_first_admin(database, tmp_path / "file" / "admin-token")
    assert list_tokens(database) == []


def test_a_crash_before_the_commit_leaves_no_admin_whose_token_nobody_knows(database: Connection) -> None:
    class Killed(BaseException): ...

    def crash(_: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        create_first_admin(database, "first", "start", crash)
    assert list_tokens(database) == []


def test_two_starts_at_once_make_one(api_settings: Settings, tmp_path: Path) -> None:
    connections = [connect(api_settings.postgres.dsn.get_secret_value()) for _ in range(4)]
    kept: list[str] = []
    with ThreadPoolExecutor(len(connections)) as starts:
        made = list(starts.map(lambda c: create_first_admin(c, "first", "start", kept.append), connections))
    assert len(kept) == sum(token is not None for token in made) == 1
    assert [token.name for token in list_tokens(connections[0])] == ["first"]
    for connection in connections:
        connection.close()


def test_without_the_file_the_start_is_refused_as_ever(serve: Serve) -> None:
    api = serve(NETHEAL_API_HOST="0.0.0.0")
    assert api.process.wait(40) == 2
    assert "NETHEAL_API_ADMIN_TOKEN_FILE" in api.output().splitlines()[-1]


def test_where_no_token_is_asked_for_none_is_made(serve: Serve, tmp_path: Path) -> None:
    api = serve(NETHEAL_API_ADMIN_TOKEN_FILE=str(tmp_path / "admin-token")).wait_ready()
    assert not (tmp_path / "admin-token").exists()
    assert json.loads(api.output().splitlines()[0])["event"] == "api.started"
