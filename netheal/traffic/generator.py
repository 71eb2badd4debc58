"""Seeded traffic like the real one, from the shipped profiles, with a share of broken messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from netheal.contracts import contract
from netheal.records.encode import encode_rows
from netheal.traffic.broken import BROKEN, break_message
from netheal.traffic.identity import Identities
from netheal.traffic.mix import Kind, Mix, Plan, Schedule, default_mix
from netheal.traffic.profiles import Matrix, Profile, shipped_profile

START = datetime(2024, 12, 1, tzinfo=UTC)
"""Event time of the first row unless another is given: the same seed gives the same bytes on any day."""

_BLOCK_ROWS = 2_000
_CONTRACTS: dict[Kind, tuple[str, ...]] = {
    "attack/v1": ("attack/v1",),
    "threat/v1": ("threat/v1",),
    "threat/v2": ("threat/v2",),
    "both": ("attack/v1", "threat/v1"),
}
_PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}


@dataclass(frozen=True)
class SampledFlows:
    """Flows of a plan: rows of both profiles, [rows, features], class names in each, and the envelope's columns."""

    attacks: Matrix
    threats: Matrix
    threat_names: list[str]
    envelope: pa.Table


def sample_flows(rng: np.random.Generator, identities: Identities, plan: Plan) -> SampledFlows:
    """A flow for each row of `plan`."""
    attacks = shipped_profile("attack").sample(rng, [row.attack for row in plan.episodes])
    turns = rng.integers(1 << 30, size=len(plan.kinds)).tolist()
    threat_names = [e.threat[turn % len(e.threat)] for e, turn in zip(plan.episodes, turns, strict=True)]
    threats = shipped_profile("threat").sample(rng, threat_names)
    envelope = identities.next(plan, _protocols(plan.kinds, attacks, threats))
    return SampledFlows(attacks, threats, threat_names, envelope)


class TrafficGenerator:
    """An endless run of messages: two generators with the same arguments give the same one.

    `broken_share` of the messages, in [0, 1], are broken in one of the ways of `BROKEN`, each as likely.
    Event times begin at `start` and are 1 / `rows_per_s` seconds apart.
    """

    def __init__(
        self,
        seed: int,
        mix: Mix | None = None,
        broken_share: float = 0.01,
        start: datetime = START,
        rows_per_s: float = 1_000.0,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._schedule = Schedule(mix or default_mix(), self._rng)
        self._identities = Identities(seed, self._rng, start, rows_per_s)
        self._broken_share = broken_share
        self._ready: list[bytes] = []

    def messages(self, count: int) -> list[bytes]:
        """The next `count` messages; how they are divided among calls changes nothing."""
        while len(self._ready) < count:
            self._ready += self._block()
        given, self._ready = self._ready[:count], self._ready[count:]
        return given

    def _block(self) -> list[bytes]:
        plan = self._schedule.next(_BLOCK_ROWS)
        broken = self._broken(plan)
        flows = sample_flows(self._rng, self._identities, plan)
        messages = _encoded(plan.kinds, flows)
        for place, way in broken.items():
            wire = contract(plan.kinds[place])
            messages[place] = break_message(BROKEN[way], messages[place], wire, self._rng)
        return messages

    def _broken(self, plan: Plan) -> dict[int, int]:
        """Places of broken messages and the way of each; such a message is one of a single contract."""
        places = np.flatnonzero(self._rng.random(_BLOCK_ROWS) < self._broken_share)
        ways = self._rng.integers(len(BROKEN), size=len(places))
        for place, way in zip(places, ways, strict=True):
            if BROKEN[way] == "unknown_category":
                plan.kinds[place] = "threat/v1"
            elif plan.kinds[place] == "both":
                plan.kinds[place] = "attack/v1"
        return dict(zip(places.tolist(), ways.tolist(), strict=True))


def profile_table(profile: Profile, rows: Matrix, names: Sequence[str]) -> pa.Table:
    """The features `names` of sampled rows as they go on the wire: integers, rounded floats, words."""
    columns = {}
    for name in names:
        place = profile.features.index(name)
        values = rows[:, place]
        if name in profile.words:
            words = profile.words[name]
            columns[name] = pa.array([words[int(code)] for code in values])
        else:
            columns[name] = pa.array(values.astype(np.int64) if profile.decimals[place] == 0 else values)
    return pa.table(columns)


def _encoded(kinds: Sequence[Kind], flows: SampledFlows) -> list[bytes]:
    messages = [b""] * len(kinds)
    for kind, contract_ids in _CONTRACTS.items():
        places = np.flatnonzero(np.array(kinds) == kind)
        table = flows.envelope.take(pa.array(places))
        for contract_id in contract_ids:
            of_attack = contract_id.startswith("attack")
            profile = shipped_profile("attack" if of_attack else "threat")
            rows = (flows.attacks if of_attack else flows.threats)[places]
            features = profile_table(profile, rows, contract(contract_id).names)
            for name in features.column_names:
                table = table.append_column(name, features[name])
        for place, message in zip(places.tolist(), encode_rows(table), strict=True):
            messages[place] = message
    return messages


def _protocols(kinds: Sequence[Kind], attacks: Matrix, threats: Matrix) -> np.ndarray:
    """IP protocol numbers: a flow without TCP windows is UDP; NSL-KDD says its own."""
    profile = shipped_profile("attack")
    windows = [place for place, name in enumerate(profile.features) if "Init_Win" in name]
    by_windows = np.where((attacks[:, windows] < 0).all(axis=1), _PROTOCOLS["udp"], _PROTOCOLS["tcp"])
    threat = shipped_profile("threat")
    numbers = np.array([_PROTOCOLS[word] for word in threat.words["protocol_type"]])
    stated = numbers[threats[:, threat.features.index("protocol_type")].astype(int)]
    return np.where(np.array([kind.startswith("threat") for kind in kinds]), stated, by_windows)
