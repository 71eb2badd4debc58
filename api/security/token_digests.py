"""Keeps whoever tries token after token from costing a look into Postgres for each."""

import math
import threading
import time

from netheal.store.pool import Pool
from netheal.store.tokens import digest, usable_digests

_FRESH_S = 1.0


class TokenDigests:
    """What the tokens of one API may look like: asked once somebody has sent too many that open nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: frozenset[bytes] = frozenset()
        self._read_at = -math.inf

    def may_open(self, text: str, pool: Pool, wait_s: float) -> bool:
        """Whether a token opened something a second ago or later; Postgres is asked once a second at most.

        Whether it still does is for `identify`. Raises ServiceUnavailable.
        """
        with self._lock:
            if time.monotonic() - self._read_at >= _FRESH_S:
                with pool.connection(wait_s) as connection:
                    self._digests = usable_digests(connection)
                self._read_at = time.monotonic()
            return digest(text) in self._digests
