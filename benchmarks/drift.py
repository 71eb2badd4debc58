"""What counting drift costs: one thread scores real rows as a task does, and counts them.

    .venv/bin/python benchmarks/drift.py --data ../shared/data

Prints processor time a row of scoring (decode, check, score, decide) and of counting, by rows of an Arrow batch.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import pyarrow as pa

from benchmarks.rows import real_messages
from benchmarks.scorer import as_records, starter_scorer
from netheal.verdicts.drift import DriftCounter
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import ScoredBatch

BATCH_ROWS = (1_000, 10_000)
_ROWS = 40_000
_REPEATS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of public data, with cic-ids2017/")
    options = parser.parse_args(arguments)
    messages, scorer = real_messages(options.data)[:_ROWS], starter_scorer()
    for rows in BATCH_ROWS:
        batches = as_records(messages, rows)
        scored = [scorer.score(batch, 0) for batch in batches]
        scoring_us = _us_per_row(partial(_score, scorer, batches))
        counting_us = _us_per_row(partial(_count, scorer, scored))
        share = f"{counting_us / scoring_us:.1%}"
        print(f"batches of {rows:,} rows: scoring {scoring_us:.2f} µs a row, counting {counting_us:.3f} µs ({share})")


def _score(scorer: RecordScorer, batches: Sequence[pa.RecordBatch]) -> None:
    for batch in batches:
        scorer.score(batch, 0)


def _count(scorer: RecordScorer, scored: Sequence[ScoredBatch]) -> None:
    counter = DriftCounter(scorer.scorer.models)
    for batch in scored:
        counter.add(batch)
    counter.by_bundle()


def _us_per_row(work: Callable[[], None]) -> float:
    """The median over some runs of the process's own processor time."""
    taken = []
    for _ in range(_REPEATS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1e6 * median(taken) / _ROWS


if __name__ == "__main__":
    main()
