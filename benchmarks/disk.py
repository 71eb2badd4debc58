"""How much disk a long run takes, and what keeps it small."""

import os
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from netheal.errors import ServiceUnavailable, SettingsError
from netheal.host.disk import disk_space, size_text
from netheal.kafka.clients import admin_client
from netheal.settings import Settings

SEGMENT_BYTES = 64 * 2**20
RETAINED_BYTES = 2**29
"""What each partition keeps of records, at least."""
_RETENTION_CHECK_S = 300.0 + 60.0
"""How often the broker removes what it need not keep, and until the files are gone."""
_OUTPUT_ROW_BYTES = 120
_LZ4_OF_PLAIN = 0.3
_DELTA_ROW_BYTES = 170
"""Parts, and what compactions make of them: replaced parts stay for a day after they were written."""
_POSTGRES_ROW_BYTES = 300
_BASE_BYTES = 2 * 2**30
"""Whatever the number of rows: write-ahead logs, logs, checkpoints."""


@dataclass(frozen=True)
class DiskUse:
    """Bytes, by what takes them."""

    topics: float
    delta: float
    postgres: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.topics + self.delta + self.postgres

    def __str__(self) -> str:
        """In one line."""
        return ", ".join(f"{name} {size_text(int(size))}" for name, size in vars(self).items())


@dataclass(frozen=True)
class Sent:
    """What is sent: rows of `row_bytes` at a rate for some time, `lz4_share` of them compressed.

    Postgres keeps those of `postgres_s` seconds.
    """

    rate_per_s: float
    seconds: float
    row_bytes: float
    lz4_share: float
    postgres_s: float


def needed(sent: Sent, partitions: int) -> DiskUse:
    """What a run takes at the most, by what it took when this was written."""
    rows = sent.rate_per_s * sent.seconds
    unchecked_rows = sent.rate_per_s * min(sent.seconds, _RETENTION_CHECK_S)
    input_bytes = sent.row_bytes * (1 - sent.lz4_share * (1 - _LZ4_OF_PLAIN))
    topics = sum(
        min(rows * size, unchecked_rows * size + partitions * (RETAINED_BYTES + SEGMENT_BYTES))
        for size in (input_bytes, _OUTPUT_ROW_BYTES)
    )
    postgres_rows = sent.rate_per_s * min(sent.seconds, sent.postgres_s)
    return DiskUse(topics, rows * _DELTA_ROW_BYTES, _BASE_BYTES + postgres_rows * _POSTGRES_ROW_BYTES)


def require_room(folder: Path, use: DiskUse) -> None:
    """Raise SettingsError where the disk of `folder` has not that much."""
    free = disk_space(folder).free_bytes
    if use.total > free:
        raise SettingsError(
            f"this run takes about {size_text(int(use.total))} of disk ({use}), and {size_text(free)} are free at"
            f" {folder}: free some or set TMPDIR to another disk, or lower --rate or --seconds, or compress the input"
            " with --lz4-share 1, or have Postgres keep an interval's rows only with --empty-postgres"
        )


def limit_topics(settings: Settings) -> None:
    """Let each partition of both topics keep `RETAINED_BYTES`, and what came since the broker last looked."""
    config = {"retention.bytes": RETAINED_BYTES, "segment.bytes": SEGMENT_BYTES}
    entries = [ConfigEntry(name, str(n), incremental_operation=AlterConfigOpType.SET) for name, n in config.items()]
    resources = [
        ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        for topic in (settings.stream.input_topic, settings.stream.output_topic)
    ]
    admin = admin_client(settings.kafka.bootstrap_servers)
    try:
        for done in admin.incremental_alter_configs(resources).values():
            done.result()
    except KafkaException as error:
        raise ServiceUnavailable(f"Kafka did not limit what topics keep: {error.args[0].str()}") from error


def used(settings: Settings) -> DiskUse:
    """What a stack has on disk."""
    var = settings.paths.var_dir
    return DiskUse(*map(_size, (var / "kafka", Path(settings.paths.delta_root), var / "postgres")))


def _size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total
