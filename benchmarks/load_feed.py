"""Messages at an even rate, a share of them from a producer that compresses."""

from collections.abc import Sequence

from benchmarks.rows import repeated
from netheal.cli.feed import TrafficFeed
from netheal.errors import NethealError
from netheal.settings import Settings


class LoadFeed:
    """The first `rows` messages, from the first again after the last; `lz4_share` of them compressed with lz4.

    Each kind of producer has a thread of its own and sends at its share of the rate.
    """

    def __init__(
        self, settings: Settings, messages: Sequence[bytes], rows: int, rate_per_s: float, lz4_share: float = 0.0
    ) -> None:
        compressed = round(rows * lz4_share)
        lz4 = settings.replaced(kafka_options={**settings.kafka.options, "compression.type": "lz4"})
        parts = ((settings, 0, rows - compressed), (lz4, rows - compressed, compressed))
        self._feeds = [
            TrafficFeed(of, repeated(messages, count, first), rate_per_s * count / rows)
            for of, first, count in parts
            if count
        ]

    def start(self) -> None:
        """Begin to send."""
        for feed in self._feeds:
            feed.start()

    @property
    def done(self) -> bool:
        """Whether all is sent."""
        return all(feed.done for feed in self._feeds)

    @property
    def failure(self) -> NethealError | None:
        """Why a producer gave up, if one did."""
        return next((feed.failure for feed in self._feeds if feed.failure is not None), None)

    def stop(self) -> None:
        """Send no more, and wait for what is on its way."""
        for feed in self._feeds:
            feed.stop_soon()
        for feed in self._feeds:
            feed.stop()
