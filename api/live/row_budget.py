"""How many rows a second a client is sent."""


class RowBudget:
    """A bucket that fills at `rate_per_s` and holds two seconds of it, for rows come in micro-batches."""

    _BURST_S = 2.0

    def __init__(self, rate_per_s: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._most = max(1.0, rate_per_s * self._BURST_S)
        self._left = self._most
        self._at_s = now_s

    def rows(self, now_s: float) -> int:
        """How many rows may be sent now."""
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        return int(self._left)

    def spend(self, rows: int) -> None:
        """They were sent."""
        self._left -= rows
