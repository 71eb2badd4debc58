"""A ticket opens one socket, soon, for the one who asked for it."""

import pytest

from api.errors import Refusal
from api.live import tickets as module
from api.live.tickets import LIFETIME_S, Tickets
from api.security.identity import Caller

ANNA = Caller("anna", "viewer", "token 1")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets()
    text = tickets.issue(ANNA)
    assert tickets.redeem(text) == ANNA
    assert tickets.redeem(text) is None
    assert tickets.redeem("") is None


def test_a_ticket_expires() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    first, second = tickets.issue(ANNA), tickets.issue(ANNA)
    clock.now_s += LIFETIME_S - 0.1
    assert tickets.redeem(first) == ANNA
    clock.now_s += 0.1
    assert tickets.redeem(second) is None


def test_tickets_that_nobody_uses_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    clock = Clock()
    tickets = Tickets(clock)
    for _ in range(3):
        tickets.issue(ANNA)
    with pytest.raises(Refusal) as refused:
        tickets.issue(ANNA)
    assert refused.value.status == 503
    clock.now_s += LIFETIME_S
    tickets.issue(ANNA)
    assert len(tickets._open) == 1
