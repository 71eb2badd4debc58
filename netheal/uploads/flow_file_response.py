"""What the sender of a flow file is told: counts over all rows, and the first of them one by one."""

import math
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
from netheal.contracts.schema import category_column
from netheal.store.totals import RowCounts, by_kind
from netheal.uploads.upload_store import TOPIC, OpenUpload
from netheal.verdicts.counts import MinuteCounts, count_rows
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.scorer import ScoredBatch

MOST_REJECTED = 1_000
_IN_MEMORY_BYTES = 8 * 2**20
_BLOCK_BYTES = 256 * 1024


class _Message(msgspec.Struct):
    """The parts of an output message that stand in the answer as they are."""

    timestamp: str
    traffic_data_id: int
    is_attack: bool
    threat_prediction: msgspec.Raw
    attack_prediction: msgspec.Raw
    self_healing_action: msgspec.Raw


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
    _rejections: list[dict[str, Any]] = field(default_factory=list)
    _predictions: IO[bytes] = field(
        default_factory=lambda: tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
    )

    def add(self, scored: ScoredBatch, numbers: npt.NDArray[np.int64], lines: list[int]) -> None:
        """Take in the chunk whose rows have these row numbers and begin in these lines."""
        shown = scored.verdicts.slice(0, max(0, self.limit - self.verdicts))
        for document in _predictions(shown, self.contracts, self.upload.batch_id, _lines(shown, numbers, lines)):
            if self._predictions.tell():
                self._predictions.write(b",")
            self._predictions.write(document)
        in_order = scored.rejected.select(["offset", "reason", "field", "detail"]).sort_by("offset")
        told = in_order.slice(0, MOST_REJECTED - len(self._rejections))
        for line, row in zip(_lines(told, numbers, lines), told.drop_columns("offset").to_pylist(), strict=True):
            self._rejections.append({"line": line} | row)
        self.counts.update(count_rows(scored.verdicts, scored.rejected))
        self.verdicts += scored.verdicts.num_rows
        self.rejected += scored.rejected.num_rows

    def body(self) -> Iterator[bytes]:
        """The answer as JSON, piece by piece, once."""
        beginning = {
            "message": f"Successfully processed {self.verdicts} rows" + self._of_rejected(),
            "batch_id": self.upload.batch_id,
            "total_rows": self.verdicts + self.rejected,
        }
        end = {
            "rejected_rows": self.rejected,
            "rejected": self._rejections,
            "summary": self.summary(),
            "models": self.models,
            "policy_version": self.policy_version,
        }
        with self._predictions as predictions:
            predictions.seek(0)
            yield msgspec.json.encode(beginning)[:-1] + b',"predictions":['
            while block := predictions.read(_BLOCK_BYTES):
                yield block
            yield b"]," + msgspec.json.encode(end)[1:]

    def _of_rejected(self) -> str:
        return f", {self.rejected} rejected" if self.rejected else ""

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


def _predictions(
    verdicts: pa.Table, contracts: tuple[Contract, ...], batch_id: str, lines: list[int]
) -> Iterator[bytes]:
    """One document a verdict: the same parts as in the output topic's message, and the features as they came."""
    if verdicts.num_rows == 0:
        return
    decode = msgspec.json.Decoder(_Message).decode
    parts = zip(lines, _features(verdicts, contracts), encode_verdicts(verdicts), strict=True)
    for line, features, text in parts:
        message = decode(text)
        yield msgspec.json.encode(
            {
                "line": line,
                "traffic_data": {
                    "id": message.traffic_data_id,
                    "features": features,
                    "source": TOPIC,
                    "batch_id": batch_id,
                    "created_at": message.timestamp,
                },
                "is_attack": message.is_attack,
                "threat_prediction": message.threat_prediction,
                "attack_prediction": message.attack_prediction,
                "self_healing_action": message.self_healing_action,
            }
        )


def _features(verdicts: pa.Table, contracts: tuple[Contract, ...]) -> Iterator[dict[str, Any]]:
    """Wire name -> value of the features of these contracts that a row has; a category as the string it came as."""
    known = {feature.name: feature for contract in contracts for feature in contract.features}
    columns = []
    for feature in known.values():
        values = verdicts[feature.column].to_pylist()
        if feature.category:
            texts = verdicts[category_column(feature.column)].to_pylist()
            values = [value if text is None else text for value, text in zip(values, texts, strict=True)]
        columns.append(values)
    for row in zip(*columns, strict=True):
        yield {name: value for name, value in zip(known, row, strict=True) if _is_value(value)}


def _is_value(value: float | str | None) -> bool:
    return isinstance(value, str) or (value is not None and math.isfinite(value))
