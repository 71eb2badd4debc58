"""CSV files of flows of any size: rows of the traffic generator, repeated with noise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from netheal.contracts import contract
from netheal.traffic.generator import profile_table
from netheal.traffic.profiles import Matrix, shipped_profile

CONTRACT = "attack/v1"
_DISTINCT_ROWS = 50_000
_BENIGN_SHARE = 0.8
_NOISE = 0.02
_CHUNK_ROWS = 50_000


def write_flow_files(folder: Path, rows: int, rows_per_file: int, seed: int = 42) -> list[Path]:
    """Files of the features of `attack/v1` and a label, the same at every call with the same arguments."""
    folder.mkdir(parents=True)
    files = []
    chunks = _tables(rows, rows_per_file, np.random.default_rng(seed))
    for number, begin in enumerate(range(0, rows, rows_per_file)):
        files.append(folder / f"flows_{number:04}.csv")
        left = min(rows_per_file, rows - begin)
        with files[-1].open("wb") as file:
            for first in range(0, left, _CHUNK_ROWS):
                options = pyarrow.csv.WriteOptions(include_header=first == 0)
                pyarrow.csv.write_csv(next(chunks), file, options)
    return files


def _tables(rows: int, rows_per_file: int, rng: np.random.Generator) -> Iterator[pa.Table]:
    """Tables of at most `_CHUNK_ROWS` rows; none goes over the end of a file."""
    profile = shipped_profile("attack")
    attacks = [name for name in profile.classes if name != "BENIGN"]
    quiet = rng.random(_DISTINCT_ROWS) < _BENIGN_SHARE
    labels = np.where(quiet, "BENIGN", rng.choice(attacks, _DISTINCT_ROWS))
    flows = profile.sample(rng, labels.tolist())
    names = contract(CONTRACT).names
    for begin in range(0, rows, rows_per_file):
        left = min(rows_per_file, rows - begin)
        for first in range(0, left, _CHUNK_ROWS):
            at = rng.integers(_DISTINCT_ROWS, size=min(_CHUNK_ROWS, left - first))
            table = profile_table(profile, _with_noise(flows[at], profile.decimals, rng), names)
            yield table.append_column("Label", pa.array(labels[at]))


def _with_noise(flows: Matrix, decimals: tuple[int, ...], rng: np.random.Generator) -> Matrix:
    """Every value some per cent off, rounded as before; what is 0 or negative (no TCP window: -1) stays."""
    noise = rng.normal(1.0, _NOISE, flows.shape)
    noisy = np.where(flows > 0, flows * np.maximum(noise, 0.5), flows)
    for column, places in enumerate(decimals):
        noisy[:, column] = np.round(noisy[:, column], places if places >= 0 else 6)
    return np.asarray(noisy)
