"""The plain script: pandas reads CSV in chunks, scikit-learn scores them, deltalake appends them to a table.

Run by `benchmarks/rescore.py` beside `netheal rescore`, on the same files and with the same model. The last line of its
output is a JSON object with `rows` and `seconds`, which begin at the first file.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.baselines.sklearn_model import SklearnModel, load_sklearn_model

_CHUNK_ROWS = 100_000
_BENIGN = "BENIGN"


def scored(model: SklearnModel, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with all features there, with class, confidence and verdict."""
    frame = frame.dropna(subset=model.columns)
    probabilities = model.probabilities(frame[model.columns].to_numpy(np.float64))
    at = probabilities.argmax(axis=1)
    names = np.array([model.names[label] for label in model.estimator.classes_])[at]
    said = {"attack_class": names, "attack_confidence": probabilities.max(axis=1), "is_attack": names != _BENIGN}
    return frame.assign(**said)


def chunks(files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """The files' rows."""
    for file in files:
        yield from pd.read_csv(file, chunksize=_CHUNK_ROWS)


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, required=True, help="folder of a starter model")
    parser.add_argument("--output", type=Path, required=True, help="folder of the table")
    order = parser.parse_args()
    model = load_sklearn_model(order.model)
    if "n_jobs" in model.estimator.get_params():
        model.estimator.set_params(n_jobs=len(os.sched_getaffinity(0)))
    rows, begun = 0, time.perf_counter()
    for frame in chunks(order.files):
        table = pa.Table.from_pandas(scored(model, frame), preserve_index=False)
        deltalake.write_deltalake(str(order.output), table, mode="append")
        rows += len(frame)
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
