"""Time from the input record to the output record, at an even rate."""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.load_feed import LoadFeed
from benchmarks.stack import Tell, wait_drained
from netheal.cli.readback import Outputs, Run, output_messages
from netheal.embedded.stack import LocalStack
from netheal.errors import ServiceUnavailable
from netheal.kafka.topics import end_offsets, topic_reader
from netheal.settings import Settings

_POLL_INTERVAL_S = 0.2
_PERCENTILES = (50, 95, 99)


def measure_latency(
    stack: LocalStack,
    messages: Sequence[bytes],
    rate_per_s: float,
    warmup_s: float,
    seconds: float,
    tell: Tell,
    lz4_share: float = 0.0,
) -> dict[str, float]:
    """Percentiles in ms, of the rows sent in the `seconds` after `warmup_s`, to a job that runs and has no lag.

    `latency_rows` are sent, the first of `messages` first, `lz4_share` of them compressed.
    From the input record's timestamp to the output record's, both read back from the topics.
    """
    tell(f"sending {rate_per_s:.0f} rows/s for {seconds:.0f} s, after {warmup_s:.0f} s for warming up")
    feed = LoadFeed(stack.settings, messages, latency_rows(rate_per_s, warmup_s, seconds), rate_per_s, lz4_share)
    feed.start()
    try:
        time.sleep(warmup_s)
        counted = run_from_now(stack.settings)
        while not feed.done:
            time.sleep(_POLL_INTERVAL_S)
            if stack.failure is not None:
                raise stack.failure
    finally:
        feed.stop()
    if feed.failure is not None:
        raise feed.failure
    wait_drained(stack, tell)
    return latency_percentiles(output_messages(stack.settings, counted))


def latency_rows(rate_per_s: float, warmup_s: float, seconds: float) -> int:
    """How many rows `measure_latency` sends."""
    return round(rate_per_s * (warmup_s + seconds))


def latency_percentiles(outputs: Outputs) -> dict[str, float]:
    """p50, p95 and p99 in ms; raises ServiceUnavailable where no message came out."""
    if not len(outputs.latency_ms):
        raise ServiceUnavailable("no message came out in the time that counts")
    values = np.percentile(outputs.latency_ms, _PERCENTILES)
    return {f"p{p}": round(float(value), 1) for p, value in zip(_PERCENTILES, values, strict=True)}


def run_from_now(settings: Settings) -> Run:
    """The rows that come into the input topic from now on."""
    reader = topic_reader(settings)
    try:
        return Run(end_offsets(reader, settings.stream.input_topic), end_offsets(reader, settings.stream.output_topic))
    finally:
        reader.close()
