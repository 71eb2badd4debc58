"""`netheal notify` as a process: killed and started again, beside a second one, with `--test`, set wrongly."""

import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from netheal.notifications.notifier import sources_of
from netheal.store.database import connect, migrate
from netheal.store.outages import begin_outage
from netheal.store.partitions import ensure_partitions
from tests.notification_servers import WebhookServer, webhook_server
from tests.stack.harness import NETHEAL, World, eventually
from tests.stack.notifications.conftest import TOPIC, Stream

pytestmark = pytest.mark.stack
NOTIFY = (sys.executable, "-m", "jobs.notify")


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    with webhook_server() as server:
        yield server


@pytest.fixture
def world(make_world: Callable[..., World], hook: WebhookServer) -> World:
    found = make_world(
        input_topic=TOPIC, notify_webhook_url=SecretStr(hook.url), notify_window_s=1.0, notify_per_minute=1000
    )
    migrate(found.dsn)
    return found


@pytest.fixture
def rows(world: World) -> Iterator[Stream]:
    connection = connect(world.dsn)
    ensure_partitions(connection)
    found = Stream(connection)
    found.make_topic("first")
    yield found
    connection.close()


def collected_once(world: World) -> None:
    """Wait until the notifier knows where to begin."""
    sources = len(sources_of(world.settings))
    eventually(lambda: len(world.ask("select 1 from notification_sources")) == sources, "every source is collected")


def counted(hook: WebhookServer) -> dict[str, int]:
    """Rows by message id."""
    return {posted.document["id"]: posted.document["details"]["n"] for posted in hook.posted}


def test_a_kill_in_the_middle_of_sending_loses_nothing(world: World, rows: Stream, hook: WebhookServer) -> None:
    notifier = world.start(NOTIFY)
    collected_once(world)
    hook.before_answer = notifier.kill
    rows.rows(11)
    rows.finish()
    assert notifier.wait_exit() == -signal.SIGKILL
    hook.before_answer = lambda: None
    rows.rows(6, "Bot")
    rows.finish()
    again = world.start(NOTIFY)
    eventually(lambda: len(counted(hook)) == 2, "both are told")
    assert sorted(counted(hook).values()) == [6, 11]
    assert [posted.document["id"] for posted in hook.posted] == ["1", "1", "2"], "the first one twice, under one id"
    world.stop(again)


def test_one_leads_and_another_takes_its_place(world: World, rows: Stream, hook: WebhookServer) -> None:
    leader = world.start(NOTIFY)
    collected_once(world)
    second = world.start(NOTIFY)
    second.wait_event("notification.standby")
    rows.rows(5)
    rows.finish()
    leader.wait_event("notification.sent")
    leader.kill()
    begin_outage(rows.connection, "broker", "no answer", datetime.now(UTC))
    second.wait_event("notification.sent")
    assert [posted.document["details"]["n"] for posted in hook.posted] == [5, 1]
    world.stop(second)


def test_a_test_message_is_sent_and_its_fate_told(world: World, hook: WebhookServer) -> None:
    sent = world.start((*NETHEAL, "notify", "--test"))
    assert sent.wait_exit() == 0 and "webhook: sent" in sent.output()
    assert hook.posted[0].document["kind"] == "test"
    hook.answer = 500
    failed = world.start((*NETHEAL, "notify", "--test"))
    assert failed.wait_exit() == 1 and "webhook: failed: the webhook answers 500" in failed.output()


@pytest.mark.parametrize("command", [("notify",), ("up", "--no-api")])
def test_a_wrong_setting_stops_the_start_with_one_sentence(world: World, command: tuple[str, ...]) -> None:
    wrong = world.start((*NETHEAL, *command), NETHEAL_NOTIFY_WEBHOOK_URL="http://example.org/hook")
    assert wrong.wait_exit() == 2
    assert "NETHEAL_NOTIFY_WEBHOOK_URL must be an https URL" in " ".join(wrong.output().split())


def test_without_a_channel_it_says_what_to_set(world: World) -> None:
    nobody = world.start(NOTIFY, NETHEAL_NOTIFY_WEBHOOK_URL="")
    assert nobody.wait_exit() == 2 and "no channel is set" in nobody.output()
