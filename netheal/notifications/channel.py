"""What carries messages to people."""

from typing import Protocol

from netheal.errors import NethealError
from netheal.notifications.message import Message

ANSWER_S = 10.0
"""For each answer of a server that is written to."""


class DeliveryFailed(NethealError):
    """A channel did not take a message: it is tried again later, the message is kept."""


class Channel(Protocol):
    """One way to people; used by one thread at a time."""

    name: str

    def send(self, message: Message) -> None:
        """Return once the other side has taken it, as far as that can be known; raises DeliveryFailed."""
        ...
