"""Who watches, and what each of them waits for."""

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from api.live.messages import BrokerState, Message, lag_frame, status_frame
from api.live.queue import ClientQueue
from api.live.row_budget import RowBudget
from api.live.subscription import Filter, Subscription

LAG_EVERY_S = 1.0
DROPPED = ("stalled", "chatty", "silent")
"""Why a client was dropped: it does not read; it says too much; it answers no ping."""
_STATUSES = 8


class Selection:
    """Rows that arrived together, and what passes each filter of them, worked out once a filter."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self._parted: dict[Filter, tuple[list[Message], list[Message]]] = {}

    def parted(self, wanted: Filter) -> tuple[list[Message], list[Message]]:
        """Attacks and normal rows that pass."""
        if wanted not in self._parted:
            rows = self._messages if wanted.matches_all else wanted.select(self._messages)
            self._parted[wanted] = [m for m in rows if m.is_attack], [m for m in rows if not m.is_attack]
        return self._parted[wanted]


class Client:
    """One socket's queue, filled by the tail and emptied by the thread of the socket."""

    def __init__(self, subscription: Subscription, capacity: int, rate_per_s: float, now_s: float) -> None:
        self._subscription = subscription
        self._queue = ClientQueue(capacity)
        self._statuses: deque[bytes] = deque(maxlen=_STATUSES)
        self._row_budget = RowBudget(rate_per_s, now_s)
        self._lag_due_s = now_s
        self._there = threading.Condition()

    def offer(self, rows: Selection) -> int:
        """Rows from the tail; how many others went for them."""
        attacks, normals = rows.parted(self._subscription.filter)
        if not attacks and not normals:
            return 0
        with self._there:
            gone = self._queue.offer(attacks, normals)
            self._there.notify()
        return gone

    def skip(self, rows: int) -> None:
        """Rows that the tail itself did not read."""
        with self._there:
            self._queue.skip(rows)
            self._there.notify()

    def tell(self, frame: bytes) -> None:
        """A message that goes before any row."""
        with self._there:
            self._statuses.append(frame)
            self._there.notify()

    def wait(self, limit_s: float) -> None:
        """Come back when there may be something to send, or after `limit_s`."""
        with self._there:
            if not (self._statuses or len(self._queue) or self._queue.skipped):
                self._there.wait(limit_s)

    def collect(self, now_s: float) -> list[bytes]:
        """The frames to send now. What was missed is told once a second, before the rows that came after it."""
        with self._there:
            frames = list(self._statuses)
            self._statuses.clear()
            rows = self._queue.take(self._row_budget.rows(now_s))
            self._row_budget.spend(len(rows))
            skipped = 0
            if now_s >= self._lag_due_s and (skipped := self._queue.take_skipped()):
                self._lag_due_s = now_s + LAG_EVERY_S
        if skipped:
            frames.append(lag_frame(datetime.now(UTC), skipped))
        frames.extend(row.full_frame if self._subscription.full else row.frame for row in rows)
        return frames


@dataclass(frozen=True)
class Limits:
    """What the hub grants."""

    sockets: int
    rate_per_s: float

    @property
    def anonymous_sockets(self) -> int:
        """Half of them: readers without a token cannot shut out who has one."""
        return max(1, self.sockets // 2)

    @property
    def capacity(self) -> int:
        """A second of rows: what waits longer is no longer live."""
        return max(1, round(self.rate_per_s))


class Hub:
    """All clients of one API. `counts` has, since the start: rows, skipped, unreadable, opened, and `dropped …`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts: Counter[str] = Counter()
        self._clients: set[Client] = set()
        self._anonymous: set[Client] = set()
        self._away: str | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._clients)

    def is_full(self, anonymous: bool = False) -> bool:
        """Whether another socket would take a thread that REST needs, or, without a token, a place of who has one."""
        if anonymous and len(self._anonymous) >= self.limits.anonymous_sockets:
            return True
        return len(self._clients) >= self.limits.sockets

    def add(self, subscription: Subscription, anonymous: bool = False) -> Client | None:
        """A new client, None where the hub is full."""
        with self._lock:
            if self.is_full(anonymous):
                return None
            client = Client(subscription, self.limits.capacity, self.limits.rate_per_s, time.monotonic())
            if self._away is not None:
                client.tell(status_frame(datetime.now(UTC), "away", self._away))
            self._clients.add(client)
            if anonymous:
                self._anonymous.add(client)
            self.counts["opened"] += 1
            return client

    def remove(self, client: Client, dropped: str | None = None) -> None:
        """It went, or was dropped, for a reason that is counted."""
        with self._lock:
            self._clients.discard(client)
            self._anonymous.discard(client)
            if dropped:
                self.counts[f"dropped {dropped}"] += 1

    def publish(self, messages: Sequence[Message]) -> None:
        """Rows for everybody who wants them."""
        rows = Selection(messages)
        skipped = sum(client.offer(rows) for client in self._present())
        self._count(rows=len(messages), skipped=skipped)

    def missed(self, rows: int) -> None:
        """Rows that the tail did not read. Whether a filter would have let them pass is not known: all are told."""
        present = self._present()
        for client in present:
            client.skip(rows)
        self._count(skipped=rows * len(present))

    def unreadable(self, rows: int) -> None:
        """Messages of the topic that are no prediction."""
        self._count(unreadable=rows)

    def tell_broker(self, state: BrokerState, message: str) -> None:
        """Everybody now, and while it is away whoever comes."""
        with self._lock:
            self._away = message if state == "away" else None
            frame = status_frame(datetime.now(UTC), state, message)
            for client in self._clients:
                client.tell(frame)

    def _present(self) -> list[Client]:
        with self._lock:
            return list(self._clients)

    def _count(self, **rows: int) -> None:
        with self._lock:
            self.counts.update(rows)
