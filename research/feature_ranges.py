"""Prints what real rows hold for each feature of attack/v1: what the contract's ranges were decided from.

python -m research.feature_ranges ../shared/data/cic-ids2017/original_90k.parquet
"""

import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from netheal.contracts import contract
from netheal.records.flow_files import read_flow_file


def main(paths: list[Path]) -> None:
    """Print one line a feature over all rows of the files, and how many rows the ranges reject."""
    wire = contract("attack/v1")
    tables = [table for path in paths for table in read_flow_file(path)]
    low = np.array([feature.minimum for feature in wire.features])
    high = np.array([feature.maximum for feature in wire.features])
    columns = [np.concatenate([t[name].to_numpy(zero_copy_only=False) for t in tables]) for name in wire.names]
    values = np.column_stack([column.astype(np.float64) for column in columns])
    finite = np.where(np.isfinite(values), values, np.nan)
    outside = (finite < low) | (finite > high)
    table = Table(title=f"{len(values):,} rows")
    for heading in ("feature", "range", "lowest", "highest", "negative", "infinite", "absent or NaN", "rejected"):
        table.add_column(heading, justify="left" if heading == "feature" else "right")
    for at, feature in enumerate(wire.features):
        column = finite[:, at]
        table.add_row(
            repr(feature.name),
            f"[{feature.minimum:g}, {feature.maximum:g}]".replace("[", r"\["),
            f"{np.nanmin(column):g}",
            f"{np.nanmax(column):g}",
            f"{(column < 0).sum():,}",
            f"{np.isinf(values[:, at]).sum():,}",
            f"{np.isnan(values[:, at]).sum():,}",
            f"{outside[:, at].sum():,}",
        )
    Console(width=140).print(table)
    rejected = outside.any(axis=1)
    plain = (finite < 0).any(axis=1)
    Console().print(f"rows out of range: {rejected.sum():,} ({rejected.mean():.3%})")
    Console().print(f"rows that a plain non-negative rule would reject: {plain.sum():,} ({plain.mean():.1%})")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
