"""Whether whoever opened a socket may still have it open: tokens are revoked, and expire, while it is."""

from api.probe import Probe, Unavailable
from api.security.identity import BadToken, Caller
from netheal.store.pool import Pool
from netheal.store.tokens import usable_token_ids

_BOUND_S = 0.1
"""Rows wait for the answer; without one everybody stays until the next time."""


class TokenCheck:
    """Looks at the tokens of one API, at most every few seconds however many sockets ask."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._usable = Probe("Postgres", self._query)

    def is_still_valid(self, caller: Caller) -> bool:
        """Whether their token opens anything now. While Postgres does not answer, everybody stays."""
        if caller.token_id is None:
            return True
        usable = self._usable.ask(_BOUND_S)
        return isinstance(usable, Unavailable) or caller.token_id in usable

    def require(self, caller: Caller) -> None:
        """Raise BadToken where their token opens nothing now: asked of Postgres itself. Raises ServiceUnavailable."""
        if caller.token_id is not None and caller.token_id not in self._query():
            raise BadToken

    def _query(self) -> frozenset[int]:
        with self._pool.connection() as connection:
            return usable_token_ids(connection)
