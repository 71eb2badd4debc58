"""A new model beside the active one of its type, on stored rows, in a confined process."""

import json
import tempfile
from typing import Any

import pyarrow as pa

from netheal.bundles.intake.confined_process import WALL_S, run_confined
from netheal.bundles.intake.length_prefixed import write_frames
from netheal.bundles.served import ServedBundle
from netheal.contracts.schema import verdict_schema_of
from netheal.errors import ModelFailure, ServiceUnavailable
from netheal.scoring.comparison import Comparison
from netheal.scoring.model import ServedModel
from netheal.store.recent_rows import recent_rows
from netheal.verdicts.comparison import columns_of, common_rows

COMPARED_ROWS = 5_000
_WORK = "netheal.uploads.comparison_worker"


def compare(bundle: ServedBundle, active: ServedBundle, delta_root: str) -> Comparison:
    """How many of the newest stored rows get another answer.

    Raises ModelFailure where one of the two fails on them, ServiceUnavailable where the look at them did not end.
    """
    model, other = ServedModel(bundle), ServedModel(active)
    schema = verdict_schema_of([bundle.contract, active.contract])
    wanted = pa.schema([schema.field(name) for name in sorted({*columns_of(model), *columns_of(other)})])
    table = recent_rows(delta_root, wanted, COMPARED_ROWS)
    rows, other_rows = common_rows(model, other, table)
    with tempfile.TemporaryFile() as source:
        for each, matrix in ((bundle, rows), (active, other_rows)):
            write_frames(source, [each.manifest.to_json(), each.onnx, matrix.tobytes()])
        outcome = run_confined(_WORK, source, [], "scoring stored rows", WALL_S)
    if outcome.failure or not outcome.frames:
        raise ServiceUnavailable(outcome.failure or "the process that compared the models left no answer")
    found: dict[str, Any] = json.loads(bytes(outcome.frames[0]))
    if "failed" in found:
        raise ModelFailure(found["message"], found["failed"])
    return Comparison(found["rows"], found["differing"])
