"""How often a caller may call: counted in memory, in windows of a minute that begin with the first call.

Each of these is counted by itself, and may do as much as the settings say:

- each token, wherever it is used;
- on this machine, without a token: programs, our own page, and visits from links on other pages (`local …`);
- without a token, each address (`address …`), and all that a proxy passes on (`proxy …`);
- bad tokens, by the same addresses and proxies (`bad token …`), so that they lock out no good one.

The files of the page and of the documentation, and health, count towards nothing.
"""

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from netheal.settings import Settings


class RateLimits:
    """The counts of one API."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(settings.api.requests_per_minute, namespace="requests")
        self._uploads = RateLimitItemPerMinute(settings.api.uploads_per_minute, namespace="uploads")

    def is_used_up(self, rate_key: str) -> bool:
        """Whether the next call would be one too many; counts nothing."""
        return not self._limiter.test(self._requests, rate_key)

    def wait_s(self, rate_key: str, upload: bool) -> int:
        """Count one call; 0 if it is within the bounds, else the seconds until the next is."""
        for item in (self._requests, self._uploads) if upload else (self._requests,):
            if not self._limiter.hit(item, rate_key):
                return max(1, round(self._limiter.get_window_stats(item, rate_key).reset_time - time.time()))
        return 0
