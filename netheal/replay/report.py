"""What a replay tells of itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass
class ReplayReport:
    """Rows by what became of them; in a dry run, by what would.

    `accepted` by the reason that they had been rejected for, `rejected_again` by the new one. `resumed` rows were of a
    run that had been cut off, and are not among the others.
    """

    run_id: str
    dry_run: bool = False
    accepted: Counter[str] = field(default_factory=Counter)
    attacks: int = 0
    rejected_again: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    resumed: int = 0

    def add(self, rows: pa.Table, accepted: Sequence[pa.Table], rejected: pa.Table) -> None:
        """Count a batch of rejected rows: the verdicts of those that are accepted now, and what is rejected again."""
        reasons = dict(zip(rows["event_id"].to_pylist(), rows["reason"].to_pylist(), strict=True))
        for verdicts in accepted:
            self.accepted.update(reasons[event] for event in verdicts["event_id"].to_pylist() if event in reasons)
            self.attacks += pc.sum(verdicts["is_attack"]).as_py() or 0
        self.rejected_again.update(rejected["reason"].to_pylist())

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "run_id": self.run_id,
            "dry_run": self.dry_run,
            "accepted": self.accepted.total(),
            "accepted_by_reason": dict(self.accepted.most_common()),
            "attacks": self.attacks,
            "rejected_again": self.rejected_again.total(),
            "rejected_by_reason": dict(self.rejected_again.most_common()),
            "skipped": dict(self.skipped.most_common()),
            "resumed": self.resumed,
        }
