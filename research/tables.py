"""Reads training files, and keeps the rows that a contract would let through."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netheal.contracts import Contract


@dataclass(frozen=True)
class DataFile:
    """What a model card says of a file it was made from."""

    role: str
    name: str
    rows: int
    sha256: str


@dataclass
class Dropped:
    """Rows left out, by reason."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, rows: int) -> None:
        """Count rows under a reason, if there are any, and print it."""
        if rows:
            self.counts[reason] = self.counts.get(reason, 0) + rows
            print(f"left out: {rows} rows, {reason}")


def read_table(path: Path) -> pd.DataFrame:
    """A CSV (also .gz) with a header, or a Parquet file; bytes that are no UTF-8 become U+FFFD."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, encoding_errors="replace", low_memory=False)


def describe(role: str, path: Path, rows: int) -> DataFile:
    """Name, rows and sha256 of a file."""
    return DataFile(role, path.name, rows, hashlib.sha256(path.read_bytes()).hexdigest())


def valid_rows(
    values: NDArray[np.float64], contract: Contract, source: str, dropped: Dropped
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rows [N, n] with infinities treated as the contract says, and which of them it lets through [N]."""
    if contract.infinite == "zero":
        values = np.where(np.isinf(values), 0.0, values)
    complete = np.isfinite(values).all(axis=1)
    low = np.array([feature.minimum for feature in contract.features])
    high = np.array([feature.maximum for feature in contract.features])
    with np.errstate(invalid="ignore"):
        inside = ((values >= low) & (values <= high)).all(axis=1)
    dropped.add(f"a value missing or not finite ({source})", int((~complete).sum()))
    dropped.add(f"a value outside the contract's range ({source})", int((complete & ~inside).sum()))
    return values, complete & inside
