"""A flow file scored by one bundle, as the stream would score its rows; nothing is asked for and nothing is stored."""

from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa

from netheal.bundles.served import ServedBundle
from netheal.contracts import ModelType, wire_contracts
from netheal.contracts.schema import TIMESTAMP, category_column
from netheal.healing.policy import Policy
from netheal.records.decoded import DecodedFlows
from netheal.scoring.model import ServedModel
from netheal.uploads.flow_file import open_flows
from netheal.verdicts.scorer import Origin, ScoredBatch, Scorer, no_raw_rows

_OTHERS: dict[ModelType, str] = {"threat_detector": "attack_", "attack_classifier": "threat_"}
"""How columns begin that a model of this type leaves empty."""

_OF_A_STREAM = ("threat_model_hash", "attack_model_hash", "action_status", "policy_version")
_REJECTION = ("reason", "field", "detail")


def score_by_bundle(bundle: ServedBundle, policy: Policy, file: IO[bytes]) -> Iterator[pa.Table]:
    """Tables with a row for each row of a CSV, in its order.

    `line`, int64, where the row begins in the file; the columns of its verdict, null where it was rejected; `reason`,
    `field` and `detail` of the rejection, else null. Raises FileRefused for what is no CSV with the columns of the
    bundle's contract, ModelFailure where the model fails.
    """
    scorer = Scorer({bundle.contract.id: ServedModel(bundle)}, policy)
    for chunk in open_flows(file, [bundle.contract], bounded=False).chunks():
        rows = len(chunk.lines)
        scored = scorer.score(chunk.decoded, _origin(rows), no_raw_rows)
        yield _by_line(scored, chunk.decoded, chunk.lines, bundle.manifest.model_type)


def _origin(rows: int) -> Origin:
    """Places in the chunk as offsets."""
    return Origin(
        topic="file",
        partition=pa.array(np.zeros(rows, np.int32)),
        offset=pa.array(np.arange(rows)),
        recorded_at=pa.repeat(pa.scalar(0, TIMESTAMP), rows),
        batch_id=0,
    )


def _by_line(scored: ScoredBatch, decoded: DecodedFlows, lines: list[int], model_type: ModelType) -> pa.Table:
    verdicts = _plain(scored.verdicts, ["offset", *_verdict_columns(scored.verdicts, decoded, model_type)])
    rejected = _plain(scored.rejected, ["offset", *_REJECTION])
    rows = pa.concat_tables([verdicts, rejected], promote_options="default").sort_by("offset")
    return rows.set_column(0, "line", pa.array(np.array(lines, np.int64)[rows["offset"].to_numpy()]))


def _verdict_columns(verdicts: pa.Table, decoded: DecodedFlows, model_type: ModelType) -> list[str]:
    """What a verdict says: not what the row says itself, nor where a stream has it from."""
    features = {feature.column for known in wire_contracts() for feature in known.features}
    features |= {feature.column for feature in decoded.vocabulary.features}
    of_row = {*_origin(0).columns, *features, *map(category_column, features), *decoded.envelope.column_names}
    others = [name for name in verdicts.column_names if name not in of_row and name not in _OF_A_STREAM]
    return [name for name in others if not name.startswith(_OTHERS[model_type])]


def _plain(table: pa.Table, names: list[str]) -> pa.Table:
    """These columns, strings as strings."""
    columns = [table[name] for name in names]
    return pa.table(
        [column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column for column in columns],
        names,
    )
