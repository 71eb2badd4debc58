"""The rows that wait for one client: few, and when there are too many, the right ones go."""

from collections import deque
from collections.abc import Sequence

from api.live.messages import Message


class ClientQueue:
    """At most `capacity` rows. Above it the oldest normal rows go first, attacks only where there is nothing else.

    Whatever was offered is taken, or counted in `skipped`, or still here: the three always add up.
    Not safe for threads by itself, see `hub.Client`.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._attacks: deque[Message] = deque()
        self._normals: deque[Message] = deque()
        self._skipped = 0

    def __len__(self) -> int:
        return len(self._attacks) + len(self._normals)

    @property
    def skipped(self) -> int:
        """Rows that went since `take_skipped`."""
        return self._skipped

    def offer(self, attacks: Sequence[Message], normals: Sequence[Message]) -> int:
        """Rows, each of the two in order of arrival and newer than all before; how many went for them."""
        self._attacks.extend(attacks)
        self._normals.extend(normals)
        excess = len(self) - self._capacity
        if excess <= 0:
            return 0
        normal_part = min(excess, len(self._normals))
        _drop_left(self._normals, normal_part)
        _drop_left(self._attacks, excess - normal_part)
        self._skipped += excess
        return excess

    def skip(self, rows: int) -> None:
        """Rows that nobody could offer."""
        self._skipped += rows

    def take(self, most: int) -> list[Message]:
        """The oldest rows, in order of arrival."""
        attacks, normals = self._attacks, self._normals
        taken: list[Message] = []
        while len(taken) < most and (attacks or normals):
            older = attacks if not normals or (attacks and attacks[0].at < normals[0].at) else normals
            taken.append(older.popleft())
        return taken

    def take_skipped(self) -> int:
        """The count of rows that went, which begins anew."""
        skipped, self._skipped = self._skipped, 0
        return skipped


def _drop_left(rows: deque[Message], count: int) -> None:
    if count == len(rows):
        rows.clear()
        return
    for _ in range(count):
        rows.popleft()
