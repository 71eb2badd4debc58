"""The processes of a running stack, by what they are: driver, jvm, workers, broker, postgres."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import count
from typing import Self

import numpy as np
import psutil

ROLES = ("driver", "jvm", "workers", "broker", "postgres")
_SAMPLE_S = 0.2
_SAMPLES_A_FAMILY = 5
"""How many samples are taken of one look at who is there; looking costs more than sampling."""

Family = dict[str, list[psutil.Process]]


def family(pids: Mapping[str, int]) -> Family:
    """Role -> processes, for the pids of `LocalStack.pids` and all that descends from them.

    The job's own process is the driver, the Java below it the JVM, all else below it Python workers.
    """
    found: Family = {role: [] for role in ROLES}
    for name, pid in pids.items():
        try:
            root = psutil.Process(pid)
            found["driver" if name == "job" else name].append(root)
            for process in root.children(recursive=True):
                found[_job_role(process) if name == "job" else name].append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _job_role(process: psutil.Process) -> str:
    return "jvm" if process.name().startswith("java") else "workers"


def cpu_s(processes: list[psutil.Process]) -> float:
    """Processor seconds, those of children that have ended (which their parents inherit) among them."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def resident_mib(processes: list[psutil.Process]) -> float:
    """Resident memory of these processes, pages that they share counted in each."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def proportional_mib(processes: list[psutil.Process]) -> float:
    """Memory of these processes, pages that n processes share counted as an n-th in each (PSS)."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


class Sampler(ABC):
    """Samples processes in a thread of its own, between `with` and its end."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"benchmark-{type(self).__name__}", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, once `_run` has come back."""
        self._ended.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Sample until `_ended` is set."""


class CpuSampler(Sampler):
    """Notes the processor time of each role five times a second, and once more at the end."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        super().__init__()
        self._pids = pids
        self._times: list[float] = []
        self._seconds: dict[str, list[float]] = {role: [] for role in ROLES}

    def between(self, begin: float, end: float) -> dict[str, float]:
        """Processor seconds of each role between two instants (seconds since the epoch), interpolated."""
        count = min(map(len, self._seconds.values()))  # a sample may be half there
        times = self._times[:count]
        if not times or not times[0] <= begin <= end <= times[-1]:
            raise ValueError("the processes were not watched for all of that time")
        spent = {role: np.interp([begin, end], times, seconds[:count]) for role, seconds in self._seconds.items()}
        return {role: float(after - before) for role, (before, after) in spent.items()}

    def _run(self) -> None:
        watched: Family = {}
        for number in count():
            last = self._ended.wait(_SAMPLE_S if number else 0.0)
            if number % _SAMPLES_A_FAMILY == 0 or last:
                watched = family(self._pids)
            self._times.append(time.time())
            for role, processes in watched.items():
                self._seconds[role].append(cpu_s(processes))
            if last:
                return
