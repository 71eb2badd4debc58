"""`netheal trace` finds an event wherever it is."""

import json

import pytest

from netheal.cli.trace_command import trace, trace_command
from netheal.errors import NotFound
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from tests.api.quarantined import store_quarantined
from tests.api.stored_rows import Row, attack, event, store, store_batch

DDOS = 2


@pytest.fixture
def traced(database: Connection, api_settings: Settings) -> Settings:
    """Offsets 0 to 9 of partition 0 are scored in batch 7."""
    store_batch(database, 7, (0, 10))
    row = Row(event(3), batch_id=7, action_type="restart_service")
    store(database, [attack(row, DDOS)])
    with transaction(database) as cursor:
        cursor.execute("update topics set done_offsets = %s", (json.dumps({"0": 10}),))
    return api_settings


def test_a_scored_event_leads_to_its_batch_and_action(traced: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace_command(traced, event(3), as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["partition"], found["offset"], found["state"], found["batch_id"]) == (0, 3, "scored", 7)
    assert (found["batch_state"], found["policy_version"], found["attack_class"]) == ("done", "abc", "DDoS")
    assert (found["action_type"], found["action_status"]) == ("restart_service", "logged")


def test_a_rejected_event_says_why(database: Connection, api_settings: Settings) -> None:
    (rejected,) = store_quarantined(database, api_settings, [b"not json"], batch_id=4)
    found = trace(api_settings, rejected)
    assert (found["state"], found["reason"], found["batch_id"], found["in_delta"]) == ("rejected", "not_json", 4, True)


def test_an_event_that_is_not_scored_yet_waits(traced: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace_command(traced, event(25), as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["rows_before_it"]) == ("waits", 15)


def test_an_event_that_never_was_is_not_waited_for(traced: Settings) -> None:
    with pytest.raises(NotFound, match="there is no event"):
        trace(traced, event(4))
