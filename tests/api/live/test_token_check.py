"""A socket is its opener's for as long as the opener's token opens anything."""

from api.live.token_check import TokenCheck
from api.security.identity import Caller
from netheal.settings import Settings
from netheal.store.database import Connection
from netheal.store.pool import Pool
from netheal.store.tokens import create_token, revoke_token
from tests.conftest import Eventually


def test_only_whose_token_is_revoked_must_go(
    api_settings: Settings, database: Connection, eventually: Eventually
) -> None:
    eve, anna = (create_token(database, name, "viewer", "test", None)[0] for name in ("eve", "anna"))
    revoke_token(database, eve.id)
    token_check = TokenCheck(Pool(api_settings.postgres.dsn.get_secret_value()))
    eventually(lambda: not token_check.is_still_valid(Caller("eve", "viewer", "eve", eve.id)))
    assert token_check.is_still_valid(Caller("anna", "viewer", "anna", anna.id))
    assert token_check.is_still_valid(Caller("local", "admin", "address 127.0.0.1"))


def test_while_postgres_is_away_everybody_stays() -> None:
    nowhere = TokenCheck(Pool("postgresql://nobody@127.0.0.1:1/nothing"))
    assert nowhere.is_still_valid(Caller("eve", "viewer", "token 1", 1))
