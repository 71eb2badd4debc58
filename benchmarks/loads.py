"""What is sent: messages, and which of them are broken."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.rows import SOURCES, real_messages
from benchmarks.scorer import as_records, starter_scorer
from netheal.contracts import Contract, contract
from netheal.traffic.broken import BROKEN, Broken, break_message

BROKEN_SHARE = 0.02
_SEED = 42
_ROWS_PER_BATCH = 10_000


class LoadName(StrEnum):
    """The loads there are."""

    REAL = "real"
    MIXED = "mixed"


@dataclass(frozen=True)
class Load:
    """`messages` are sent in order, from the first again after the last.

    `broken` bool [n]: which of them were made so that they must be rejected, while all others must not; None where
    rows have whatever faults they really have.
    """

    name: LoadName
    messages: Sequence[bytes]
    broken: npt.NDArray[np.bool_] | None = None

    def broken_in(self, rows: int) -> int | None:
        """How many of the first `rows` messages sent are broken; None where that is not known."""
        if self.broken is None:
            return None
        rounds, rest = divmod(rows, len(self.broken))
        return int(rounds * self.broken.sum() + self.broken[:rest].sum())


def read_load(name: LoadName, data: Path) -> Load:
    """`real`: the rows of attack/v1 as they are. `mixed`: see `mixed_load`."""
    if name is LoadName.REAL:
        return Load(name, real_messages(data))
    return mixed_load({contract_id: real_messages(data, contract_id) for contract_id in sorted(SOURCES)})


def mixed_load(messages: dict[str, list[bytes]]) -> Load:
    """As many messages of each contract (id -> messages), shuffled; 2 % of them broken, in every way that there is.

    Those that netheal would reject as they are, such as overflows of the meter, are left out, so that how many are
    rejected is known. The same at every call.
    """
    rng = np.random.default_rng(_SEED)
    accepted = {contract_id: _accepted(found) for contract_id, found in messages.items()}
    each = min(map(len, accepted.values()))
    rows = [(id, found[at]) for id, found in accepted.items() for at in rng.permutation(len(found))[:each].tolist()]
    mixed = [rows[at] for at in rng.permutation(len(rows)).tolist()]
    places = rng.choice(len(mixed), round(BROKEN_SHARE * len(mixed)), replace=False)
    sent = [message for _, message in mixed]
    for number, at in enumerate(places.tolist()):
        contract_id, message = mixed[at]
        ways = _ways(contract(contract_id))
        sent[at] = break_message(ways[number % len(ways)], message, contract(contract_id), rng)
    broken = np.zeros(len(sent), bool)
    broken[places] = True
    return Load(LoadName.MIXED, sent, broken)


def _ways(wire: Contract) -> list[Broken]:
    """In which its messages can be broken."""
    has_category = any(feature.category for feature in wire.features)
    return [way for way in BROKEN if way != "unknown_category" or has_category]


def _accepted(messages: list[bytes]) -> list[bytes]:
    """Those that the starter models take."""
    scorer = starter_scorer()
    places: list[int] = []
    for records in as_records(messages, _ROWS_PER_BATCH):
        places += scorer.score(records, 0).verdicts["offset"].to_pylist()
    return [messages[place] for place in places]
