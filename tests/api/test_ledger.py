"""The ledger counts the attempts at a batch, keeps why the last one failed, and gives each the same time."""

from collections.abc import Iterator

import pytest

from netheal.settings import Settings
from netheal.store.database import Connection, connect
from netheal.store.ledger import BatchPins, Ledger

PINS = BatchPins("flows", "id", {"0": 0}, {"0": 10}, {"attack/v1": "a"}, "v")


@pytest.fixture
def connection(api_settings: Settings) -> Iterator[Connection]:
    connection = connect(api_settings.postgres.dsn.get_secret_value())
    yield connection
    connection.close()


def test_attempts_are_counted_over_restarts_of_the_job(connection: Connection) -> None:
    first = Ledger(connection, "query").open_batch(4, PINS, {})
    assert (first.attempts, first.new, first.failure, first.state) == (1, True, "", "open")
    Ledger(connection, "query").record_failure(4, "it broke")
    for number in (2, 3):
        entry = Ledger(connection, "query").open_batch(4, PINS, {})
        assert (entry.attempts, entry.new, entry.failure) == (number, False, "it broke")
        assert (entry.opened_at, entry.pins) == (first.opened_at, PINS), "a replay would not give the same rows"
    other = Ledger(connection, "another query").open_batch(4, PINS, {})
    assert (other.attempts, other.failure) == (1, "")


def test_a_batch_that_is_done_fails_no_more(connection: Connection) -> None:
    ledger = Ledger(connection, "query")
    ledger.open_batch(4, PINS, {})
    ledger.close_batch(4, 10, 0, {})
    ledger.record_failure(4, "it broke")
    entry = ledger.open_batch(4, PINS, {})
    assert (entry.state, entry.failure) == ("done", "")


def test_an_attempt_that_a_stop_may_cut_is_none(connection: Connection) -> None:
    ledger = Ledger(connection, "query")
    for _ in range(5):
        entry = ledger.open_batch(4, PINS, {})
        assert entry.attempts == 1, "stops look like a batch that fails"
        ledger.uncount_attempt(4)
    entry = ledger.open_batch(4, PINS, {})
    assert not entry.new, "a replay must keep the policy it was pinned to"
    assert ledger.open_batch(4, PINS, {}).attempts == 2
    ledger.uncount_attempt(9)
    ledger.close_batch(4, 10, 0, {})
    ledger.uncount_attempt(4)
    assert ledger.open_batch(4, PINS, {}).attempts == 3, "a batch that was done before the stop was an attempt"
