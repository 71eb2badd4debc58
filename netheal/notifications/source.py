"""What notifications are collected from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from netheal.store.database import Cursor
from netheal.store.notifications import Notification

Position = dict[str, Any]
"""Up to where a source was collected: plain JSON, which only the source itself understands."""


@dataclass(frozen=True)
class Collected:
    """What is new, and up to where; `more`: there is more at once, and the source is to be asked again."""

    notifications: Sequence[Notification] = field(default_factory=tuple)
    position: Position = field(default_factory=dict)
    more: bool = False


class Source(Protocol):
    """One kind of things that people are told of. To add one, add its class to `sources_of` in `notifier.py`."""

    @property
    def name(self) -> str:
        """As the outbox has it."""
        ...

    def collect(self, cursor: Cursor, position: Position | None) -> Collected:
        """What has come about since the position; None at the first time, when what is long past is passed over.

        Inside the caller's transaction, which also stores the position: so nothing is collected twice, and nothing
        is left out.
        """
        ...
