"""How many messages a channel may send now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class RateLimit:
    """At most so many messages in any minute, and in any hour.

    The first half of an hour's messages may go as they come; the others are spread over it, so that a flood of ten
    minutes does not leave a channel silent for the other fifty.
    """

    per_minute: int
    per_hour: int

    def budget(self, sent_at: Sequence[datetime], now: datetime) -> int:
        """How many may be sent now; `sent_at` are those of the last hour, in any order.

        >>> at = datetime(2024, 12, 1, 12)
        >>> RateLimit(5, 60).budget([at] * 3, at), RateLimit(5, 60).budget([at] * 3, at + 2 * _MINUTE)
        (2, 5)
        """
        of_hour = [at for at in sent_at if now - at < _HOUR]
        minute_left = self.per_minute - sum(now - at < _MINUTE for at in of_hour)
        free = self.per_hour // 2
        if len(of_hour) < free:
            return max(0, min(minute_left, free - len(of_hour)))
        rested = now - max(of_hour, default=now - _HOUR)
        return max(0, min(minute_left, int(rested >= _HOUR / (self.per_hour - free))))
