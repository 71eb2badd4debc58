"""What is published reaches everybody who wants it, and what does not is told, to the row."""

from collections.abc import Sequence
from typing import Any

import pytest

from api.live.hub import Client, Hub, Limits
from api.live.messages import Message
from api.live.subscription import Filter, Subscription
from tests.api.live.rows import message, payload, schema


@pytest.fixture
def hub() -> Hub:
    return Hub(Limits(sockets=3, rate_per_s=10))


def add(hub: Hub, subscription: Subscription | None = None) -> Client:
    client = hub.add(subscription or Subscription())
    assert client is not None
    return client


def documents(client: Client, now_s: float) -> list[dict[str, Any]]:
    return [payload(frame) for frame in client.collect(now_s)]


def mixed(count: int, at: int = 0) -> Sequence[Message]:
    """Each tenth is an attack."""
    return [
        message(n, event_id=n, class_name="BENIGN" if n % 10 else "DDoS", confidence=0.9) for n in range(at, at + count)
    ]


def test_each_client_gets_what_it_asked_for(hub: Hub) -> None:
    everything, attacks, full = (
        add(hub),
        add(hub, Subscription(Filter(only_attacks=True))),
        add(hub, Subscription(full=True)),
    )
    hub.publish(mixed(10))
    assert [d["traffic_data_id"] for d in documents(everything, 1e9)] == list(range(10))
    assert [d["traffic_data_id"] for d in documents(attacks, 1e9)] == [0]
    assert all(schema("prediction_full").is_valid(d) for d in documents(full, 1e9))


def test_received_and_skipped_is_what_was_published(hub: Hub) -> None:
    client = add(hub)
    now_s, received, skipped, published = 1e9, 0, 0, 0
    attacks: list[int] = []
    for _ in range(50):
        hub.publish(mixed(25, published))
        published += 25
        now_s += 0.5
        for document in documents(client, now_s):
            if document["type"] == "lag":
                skipped += document["skipped"]
            else:
                received += 1
                attacks += [document["traffic_data_id"]] * (document["attack_prediction"]["attack_type_encoded"] != 0)
    for _ in range(5):
        now_s += 2
        for document in documents(client, now_s):
            skipped += document.get("skipped", 0)
            received += document["type"] == "prediction"
    assert received + skipped == published
    assert skipped > 500
    assert attacks == list(range(0, published, 10)), "no attack was skipped while normal rows came"
    assert hub.counts["skipped"] == skipped and hub.counts["rows"] == published


def test_a_client_is_told_of_its_lag_once_a_second(hub: Hub) -> None:
    client = add(hub)
    told = []
    for tenth in range(30):
        hub.publish(mixed(20, tenth * 20))
        told += [d for d in documents(client, 1e9 + tenth / 10) if d["type"] == "lag"]
    assert 2 <= len(told) <= 4


def test_what_the_tail_did_not_read_is_told_to_everybody(hub: Hub) -> None:
    clients = [add(hub), add(hub, Subscription(Filter(only_attacks=True)))]
    hub.missed(1234)
    for client in clients:
        assert [(d["type"], d["skipped"]) for d in documents(client, 1e9)] == [("lag", 1234)]


def test_a_client_that_does_not_take_keeps_a_second_of_rows(hub: Hub) -> None:
    client = add(hub)
    for at in range(0, 10_000, 500):
        hub.publish(mixed(500, at))
    assert len(client._queue) == hub.limits.capacity == 10


def test_one_socket_too_many_is_refused_until_one_goes(hub: Hub) -> None:
    clients = [add(hub) for _ in range(3)]
    assert hub.is_full() and hub.add(Subscription()) is None
    hub.remove(clients[0], "stalled")
    assert hub.add(Subscription()) is not None
    assert hub.counts["opened"] == 4 and hub.counts["dropped stalled"] == 1


def test_who_has_no_token_gets_half_of_the_sockets() -> None:
    hub = Hub(Limits(sockets=4, rate_per_s=10))
    anonymous = [hub.add(Subscription(), anonymous=True) for _ in range(2)]
    assert None not in anonymous and hub.is_full(anonymous=True) and not hub.is_full()
    assert hub.add(Subscription(), anonymous=True) is None
    assert hub.add(Subscription()) is not None and hub.add(Subscription()) is not None and hub.is_full()
    assert anonymous[0] is not None
    hub.remove(anonymous[0])
    assert hub.add(Subscription(), anonymous=True) is not None


def test_the_brokers_state_is_told_now_and_to_whoever_comes_while_it_is_away(hub: Hub) -> None:
    early = add(hub)
    hub.tell_broker("away", "the broker does not answer")
    late = add(hub)
    hub.tell_broker("back", "the broker answers again")
    after = add(hub)
    assert [d["broker"] for d in documents(early, 1e9)] == ["away", "back"]
    assert [d["broker"] for d in documents(late, 1e9)] == ["away", "back"]
    assert documents(after, 1e9) == []
