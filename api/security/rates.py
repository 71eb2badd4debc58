"""How often a caller may call: counted in memory, in windows of a minute that begin with the first call."""

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from netheal.settings import Settings


class Rates:
    """The counts of one API."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(settings.api_requests_per_minute, namespace="requests")
        self._uploads = RateLimitItemPerMinute(settings.api_uploads_per_minute, namespace="uploads")

    def wait_s(self, rate_key: str, upload: bool) -> int:
        """Count one call; 0 if it is within the bounds, else the seconds until the next is."""
        for item in (self._requests, self._uploads) if upload else (self._requests,):
            if not self._limiter.hit(item, rate_key):
                return max(1, round(self._limiter.get_window_stats(item, rate_key).reset_time - time.time()))
        return 0
