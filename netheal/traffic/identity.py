"""The envelope of generated messages: addresses of documentation and private ranges only."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from netheal.traffic.mix import Plan

EXTRACTOR = "netheal-generator"

_CLIENTS = [f"192.168.10.{host}" for host in range(5, 60)]
_SERVERS = [f"10.0.0.{host}" for host in range(10, 20)]
_OUTSIDE = [f"192.0.2.{host}" for host in range(1, 255)]
_ATTACKERS = [f"{net}.{host}" for net in ("198.51.100", "203.0.113") for host in range(1, 255)]
_VICTIMS = _SERVERS[:4]
_SENSORS = ["sensor-edge-1", "sensor-edge-2", "sensor-core-1"]


class Identities:
    """Envelopes in order of time: row n happens n / rows_per_s seconds after `start`."""

    def __init__(self, seed: int, rng: np.random.Generator, start: datetime, rows_per_s: float) -> None:
        self._seed = seed
        self._rng = rng
        self._start_us = round(start.astimezone(UTC).timestamp() * 1_000_000)
        self._step_us = 1_000_000 / rows_per_s
        self._given = 0

    def next(self, plan: Plan, protocols: np.ndarray) -> pa.Table:
        """The envelope columns of the rows of `plan`; `protocols` are IP protocol numbers."""
        rows = len(plan.kinds)
        numbers = self._given + np.arange(rows)
        self._given += rows
        times = (self._start_us + numbers * self._step_us).astype("datetime64[us]")
        sources, destinations = self._addresses(plan)
        return pa.table(
            {
                "event_id": [f"gen-{self._seed}-{number}" for number in numbers.tolist()],
                "event_time": np.char.add(np.datetime_as_string(times, unit="ms"), "Z").tolist(),
                "sensor_id": [_SENSORS[place] for place in self._rng.integers(len(_SENSORS), size=rows)],
                "src_ip": sources,
                "dst_ip": destinations,
                "src_port": self._rng.integers(1024, 65536, rows),
                "protocol": protocols.astype(np.int64),
                "extractor": [EXTRACTOR] * rows,
            }
        )

    def _addresses(self, plan: Plan) -> tuple[list[str], list[str]]:
        """An episode keeps its victim and its attackers; benign flows are from clients to anywhere."""
        anywhere = _SERVERS + _OUTSIDE
        draws = self._rng.integers(1 << 30, size=(len(plan.kinds), 2)).tolist()
        sources, destinations = [], []
        for episode, number, (first, second) in zip(plan.episodes, plan.numbers, draws, strict=True):
            if episode.sources:
                attacker = self._seed + number * 61 + first % episode.sources
                sources.append(_ATTACKERS[attacker % len(_ATTACKERS)])
                destinations.append(_VICTIMS[number % len(_VICTIMS)])
            else:
                sources.append(_CLIENTS[first % len(_CLIENTS)])
                destinations.append(anywhere[second % len(anywhere)])
        return sources, destinations
