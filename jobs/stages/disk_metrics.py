"""The room that is left where the job writes, looked at when the job's metrics are scraped."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from netheal import metrics as names
from netheal.host.disk import disk_space
from netheal.metric_families import gauge_family


class DiskMetrics(Collector):
    """Local folders only; of one that cannot be looked at, nothing."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)

    def collect(self) -> Iterator[Family]:
        """Called at each scrape."""
        free: dict[tuple[str, ...], float] = {}
        for folder in self._folders:
            try:
                free[(str(folder),)] = disk_space(folder).free_bytes
            except OSError:
                continue
        yield gauge_family(names.JOB_DISK_FREE, free)
