"""Runs without Spark: units scored one after the other in this process."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from netheal.contracts import contract
from netheal.rescoring.plan import Request, RunPlan, RunProgress, Unit
from netheal.rescoring.run import Run, Work
from netheal.rescoring.unit_scorer import UnitReceipt, UnitScorer
from netheal.scoring.model import ServedModel
from netheal.settings import Settings
from netheal.traffic.generator import TrafficGenerator


def in_process(work: Work, units: Sequence[Unit]) -> Iterator[UnitReceipt]:
    """As `jobs.stages.rescoring.SparkMapper` does it."""
    models = {key: ServedModel(bundle) for key, bundle in work.bundles.items()}
    yield from map(UnitScorer(work.plan, models, work.output), units)


def rescored(settings: Settings, run_id: str, *inputs: Path, **asked: Any) -> tuple[RunPlan, RunProgress]:
    """A run of these files, below `settings.paths.rescored_dir`."""
    request = Request([str(path) for path in inputs], **asked)
    return Run(settings, settings.paths.rescored_dir, run_id).complete(request, in_process, lambda *_: None)


def stored(settings: Settings, name: str, run_id: str | None = None) -> pa.Table:
    """A table of rescored rows, by file and line, those of a run or all."""
    table = DeltaTable(str(Path(settings.paths.rescored_dir) / name)).to_pyarrow_table()
    rows = [row for row in table.to_pylist() if run_id in (None, row["run_id"])]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["file"] or "", row["event_id"])), table.schema)


def verdicts(settings: Settings, run_id: str | None = None) -> pa.Table:
    """The verdicts of a run, or all."""
    return stored(settings, "rescored_verdicts", run_id)


def rejected(settings: Settings, run_id: str | None = None) -> pa.Table:
    """The rejected rows of a run, or all."""
    return stored(settings, "rescored_rejected", run_id)


def attack_rows(rows: int, seed: int = 5) -> list[dict[str, Any]]:
    """Generated flows of attack/v1, one in twenty with something wrong, each with a label."""
    found: list[dict[str, Any]] = []
    generator = TrafficGenerator(seed, broken_share=0.0)
    while len(found) < rows:
        messages = map(json.loads, generator.messages(rows))
        found += [message for message in messages if " Flow Duration" in message]
    rng = np.random.default_rng(seed)
    for at, row in enumerate(found):
        for name in (" Flow IAT Mean", " Flow IAT Std", "Flow Bytes/s", " Bwd Packets/s", " Fwd Packet Length Max"):
            row[name] *= rng.lognormal(0.0, 2.0)  # so that models differ
        row["Label"] = "Bot" if at % 3 else "BENIGN"
        if at % 20 == 7:
            row[" Flow Duration"] = ("many", -1, "NaN")[at // 20 % 3]
    return found[:rows]


def csv_of(rows: Sequence[dict[str, Any]], names: Sequence[str] | None = None) -> str:
    """A CSV with the features of attack/v1 and the label."""
    columns = list(names or [*contract("attack/v1").names, "Label"])
    return "".join(
        ",".join(map(str, cells)) + "\n" for cells in (columns, *([row[n] for n in columns] for row in rows))
    )
