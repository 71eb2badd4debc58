"""Which rejected rows a replay is about, as filters on Delta `quarantine`."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from netheal.contracts import Contract
from netheal.contracts.schema import TIMESTAMP
from netheal.errors import ContractError
from netheal.records.reasons import RejectionReason
from netheal.store.delta import DATE_COLUMN

FINAL = {
    RejectionReason.BAD_TIMESTAMP: "the record's own time is unusable",
    RejectionReason.MALFORMED_ROW: "its cells do not fit the header of its file",
}
"""Reasons that lie in no contract and no model: such a row would be rejected again whatever is active."""


@dataclass(frozen=True)
class Selection:
    """Rejected rows; None is any. `since` is included, `until` is not; both are about `recorded_at`.

    `contract`: rows that were rejected for want of its model, or for one of its features.
    """

    reason: RejectionReason | None = None
    since: datetime | None = None
    until: datetime | None = None
    contract: Contract | None = None

    def __post_init__(self) -> None:
        """Raises ContractError for a reason that no replay can mend."""
        if self.reason in FINAL:
            raise ContractError(
                f"rows rejected as {self.reason.value} cannot be replayed: {FINAL[self.reason]}, which no model"
                " changes; correct it where the row comes from, and send it again"
            )

    def of_days(self) -> pc.Expression:
        """The days that have such rows, of a dataset of `quarantine`.

        Of other columns the log of a Delta table may have no statistics, and then nothing of them is found by a filter.
        """
        wanted = pc.scalar(True)
        if self.since is not None:
            wanted &= pc.field(DATE_COLUMN) >= _day(self.since)
        if self.until is not None:
            wanted &= pc.field(DATE_COLUMN) <= _day(self.until)
        return wanted

    def of_rows(self) -> pc.Expression:
        """The rows, of a table in `rejected_schema()`."""
        reason = pc.field("reason")
        wanted = reason == self.reason.value if self.reason else ~reason.isin([final.value for final in FINAL])
        if self.since is not None:
            wanted &= pc.field("recorded_at") >= _moment(self.since)
        if self.until is not None:
            wanted &= pc.field("recorded_at") < _moment(self.until)
        if self.contract is not None:
            named = rf"(^|[^\w/.-]){re.escape(self.contract.id)}($|[^\w/.-])"
            about = pc.match_substring_regex(pc.field("detail"), pattern=named)
            wanted &= about | pc.field("field").isin(list(self.contract.names))
        return wanted


def find_contract(contract_id: str, known: Collection[Contract]) -> Contract:
    """The contract of that id; raises ContractError, which names those there are."""
    for contract in known:
        if contract.id == contract_id:
            return contract
    ids = ", ".join(sorted(contract.id for contract in known))
    raise ContractError(f"there is no contract {contract_id!r}: name one of {ids}")


def _day(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC).date(), pa.date32())


def _moment(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC), TIMESTAMP)
