"""What the sender of a flow file is told: counts over all rows, and the first of them one by one."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts import Contract
from netheal.store.totals import RowCounts, by_kind
from netheal.uploads.row_documents import row_documents
from netheal.uploads.upload_store import OpenUpload
from netheal.verdicts.counts import MinuteCounts, count_rows
from netheal.verdicts.scorer import ScoredBatch

MOST_REJECTED = 1_000
_IN_MEMORY_BYTES = 8 * 2**20
_BLOCK_BYTES = 256 * 1024


@dataclass
class FlowFileResponse:
    """Grows with each scored chunk; predictions lie in a file, however many are asked for."""

    upload: OpenUpload
    contracts: tuple[Contract, ...]
    limit: int
    verdicts: int = 0
    rejected: int = 0
    counts: MinuteCounts = field(default_factory=Counter)
    models: dict[str, Any] = field(default_factory=dict)
    policy_version: str = ""
    last_shown: int = 0
    """Event id of the last row that is shown, 0 where none is."""
    _rejections: list[dict[str, Any]] = field(default_factory=list)
    _predictions: IO[bytes] = field(
        default_factory=lambda: tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
    )

    def add(self, scored: ScoredBatch, numbers: npt.NDArray[np.int64], lines: list[int]) -> None:
        """Take in the chunk whose rows have these row numbers and begin in these lines."""
        shown = scored.verdicts.slice(0, max(0, self.limit - self.verdicts))
        for document in row_documents(shown, self.contracts, self.upload.batch_id, _lines(shown, numbers, lines)):
            if self._predictions.tell():
                self._predictions.write(b",")
            self._predictions.write(document)
        if shown.num_rows:
            self.last_shown = shown["event_id"][-1].as_py()
        in_order = scored.rejected.select(["offset", "reason", "field", "detail"]).sort_by("offset")
        told = in_order.slice(0, MOST_REJECTED - len(self._rejections))
        for line, row in zip(_lines(told, numbers, lines), told.drop_columns("offset").to_pylist(), strict=True):
            self._rejections.append({"line": line} | row)
        self.counts.update(count_rows(scored.verdicts, scored.rejected))
        self.verdicts += scored.verdicts.num_rows
        self.rejected += scored.rejected.num_rows

    @property
    def complete(self) -> bool:
        """Whether every scored row is shown."""
        return self.verdicts <= self.limit

    def body(self, next_cursor: str | None) -> Iterator[bytes]:
        """The answer as JSON, piece by piece, once; with the cursor of the rows that it leaves out."""
        beginning = {
            "message": f"Successfully processed {self.verdicts} rows" + self._of_rejected() + self._of_shown(),
            "batch_id": self.upload.batch_id,
            "total_rows": self.verdicts + self.rejected,
        }
        end = {
            "rejected_rows": self.rejected,
            "rejected": self._rejections,
            "summary": self.summary(),
            "models": self.models,
            "policy_version": self.policy_version,
            "next_cursor": next_cursor,
        }
        with self._predictions as predictions:
            predictions.seek(0)
            yield msgspec.json.encode(beginning)[:-1] + b',"predictions":['
            while block := predictions.read(_BLOCK_BYTES):
                yield block
            yield b"]," + msgspec.json.encode(end)[1:]

    def _of_rejected(self) -> str:
        return f", {self.rejected} rejected" if self.rejected else ""

    def _of_shown(self) -> str:
        return "" if self.complete else f", showing {self.limit:,} of {self.verdicts:,}"

    def discard(self) -> None:
        """Remove the file."""
        self._predictions.close()

    def summary(self) -> dict[str, Any]:
        """Counts over all rows."""
        rows = RowCounts(by_kind((kind, name, n) for (_, kind, name), n in sorted(self.counts.items())))
        return {
            "attacks": rows.attacks,
            "normal": rows.normal,
            "attacks_by_class": [asdict(of) for of in rows.attacks_by_class],
            "by_class": rows.of("class"),
            "by_action": rows.of("action"),
            "by_reason": rows.of("rejected"),
        }


def _lines(rows: pa.Table, numbers: npt.NDArray[np.int64], lines: list[int]) -> list[int]:
    """The lines of the file in which these rows begin."""
    return [lines[at] for at in np.searchsorted(numbers, rows["offset"].to_numpy())]
